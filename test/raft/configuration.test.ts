import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ConfState } from '../../src/base/log-entry.ts'
import {
  type ConfChange,
  type ConfChangeStep,
  decodeConfChange,
  encodeConfChange,
  LEAVE_JOINT,
} from '../../src/raft/conf-change.ts'
import {
  type Changed,
  changeConfiguration,
  checkConfiguration,
  enterJoint,
  leaveJoint,
  simpleChange,
} from '../../src/raft/configuration.ts'
import { membersOf, votersOf } from './harness/entries.ts'
import { oneOf, TestNode } from './harness/node.ts'

const EMPTY = new Uint8Array(0)
const step: fc.Arbitrary<ConfChangeStep> = fc.record({
  type: fc.constantFrom('addVoter', 'addLearner', 'remove', 'update'),
  // Replica 1 is never touched, so that somebody is left to vote.
  replica: fc.integer({ min: 2, max: 8 }),
})
const steps = fc.array(step, { maxLength: 9 })
const change: fc.Arbitrary<ConfChange> = fc.record({
  transition: fc.constantFrom('auto', 'implicit', 'explicit'),
  changes: fc.array(fc.record({ type: step.map((s) => s.type), replica: fc.maxSafeNat() }), { maxLength: 5 }),
  context: fc.uint8Array({ maxLength: 20 }),
})

function next(changed: Changed): ConfState {
  if ('refused' in changed) throw new Error(changed.refused)
  return changed.next
}

function oneByOne(start: ConfState, list: readonly ConfChangeStep[]): ConfState {
  return list.reduce((conf, one) => next(simpleChange(conf, [one])), start)
}

describe('configurations (§6)', () => {
  test('changes taken one by one end where the same changes taken jointly end', () => {
    fc.assert(
      fc.property(steps, steps, fc.boolean(), (setup, list, autoLeave) => {
        const start = oneByOne(votersOf(1), setup)
        const joint = next(enterJoint(start, list, autoLeave))
        expect(joint.votersOutgoing).toEqual(start.voters)
        expect(joint.autoLeave).toBe(autoLeave)
        expect(next(leaveJoint(joint))).toEqual(oneByOne(start, list))
      }),
      { numRuns: 1000 },
    )
  })

  test('every configuration reached keeps the invariants, and one restored from it is equal', () => {
    fc.assert(
      fc.property(steps, steps, fc.boolean(), (setup, list, autoLeave) => {
        const joint = next(enterJoint(oneByOne(votersOf(1), setup), list, autoLeave))
        checkConfiguration(joint)
        expect(new TestNode(1, { conf: joint }).raft.status().confState).toEqual(joint)
      }),
      { numRuns: 500 },
    )
  })

  test('a change survives its bytes', () => {
    fc.assert(
      fc.property(change, (one) => {
        expect(decodeConfChange(encodeConfChange(one))).toEqual(one)
      }),
    )
    expect(encodeConfChange(LEAVE_JOINT)).toHaveLength(0)
    expect(() => decodeConfChange(new Uint8Array([0x77]))).toThrow('known version')
    expect(() => decodeConfChange(new Uint8Array([0x10, 1]))).toThrow()
  })

  test('a voter that becomes a learner through a joint configuration is neither until the joint one is left', () => {
    const joint = next(enterJoint(votersOf(1, 2), [{ type: 'addLearner', replica: 2 }], true))
    expect(joint).toEqual({ voters: [1], votersOutgoing: [1, 2], learners: [], learnersNext: [2], autoLeave: true })
    expect(next(leaveJoint(joint))).toEqual(membersOf([1], [2]))
  })

  test.each([
    ['alreadyJoint', () => enterJoint({ ...votersOf(1), votersOutgoing: [1] }, [], false)],
    ['noVotersYet', () => enterJoint(votersOf(), [], false)],
    ['notJoint', () => leaveJoint(votersOf(1))],
    ['simpleInJoint', () => simpleChange({ ...votersOf(1), votersOutgoing: [1] }, [])],
    ['noVotersLeft', () => simpleChange(votersOf(1), [{ type: 'remove', replica: 1 }])],
    [
      'moreThanOneVoter',
      () =>
        simpleChange(
          votersOf(1),
          [2, 3].map((replica): ConfChangeStep => ({ type: 'addVoter', replica })),
        ),
    ],
  ] as const)('%s is refused', (refused, attempt) => {
    expect(attempt()).toEqual({ refused })
  })

  test('one automatic step is simple, several or any other transition are joint', () => {
    const add = (replica: number): ConfChangeStep => ({ type: 'addVoter', replica })
    const of = (transition: ConfChange['transition'], ...changes: ConfChangeStep[]): ConfState =>
      next(changeConfiguration(votersOf(1), { transition, changes, context: EMPTY }))
    expect(of('auto', add(2)).votersOutgoing).toEqual([])
    expect(of('auto', add(2), add(3))).toMatchObject({ votersOutgoing: [1], autoLeave: true })
    expect(of('implicit', add(2))).toMatchObject({ votersOutgoing: [1], autoLeave: true })
    expect(of('explicit', add(2))).toMatchObject({ votersOutgoing: [1], autoLeave: false })
  })

  test('a configuration that breaks the invariants is not started with', () => {
    expect(() => new TestNode(1, { conf: membersOf([1], [1]) })).toThrow('a learner is no voter')
    expect(() => oneOf(1, 1, { conf: { ...votersOf(1), autoLeave: true } })).toThrow('only a joint configuration')
  })
})
