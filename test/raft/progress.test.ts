import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Inflights } from '../../src/raft/inflights.ts'
import { PeerProgress } from '../../src/raft/progress.ts'

const LIMITS = { maxInflightMessages: 3, maxInflightBytes: 0 }

describe('the inflight window', () => {
  test('counts messages and bytes like a plain list', () => {
    const ops = fc.array(fc.oneof(fc.record({ add: fc.integer({ min: 0, max: 9 }) }), fc.record({ free: fc.nat(5) })), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.constantFrom(0, 10, 20), ops, (countMax, bytesMax, list) => {
        const window = new Inflights(countMax, bytesMax)
        let model: { index: number; bytes: number }[] = []
        let index = 0
        for (const op of list) {
          if ('add' in op && !window.full) {
            index++
            window.add(index, op.add)
            model.push({ index, bytes: op.add })
          } else if ('free' in op) {
            window.freeUpTo(index - op.free)
            model = model.filter((one) => one.index > index - op.free)
          }
          const sum = model.reduce((total, one) => total + one.bytes, 0)
          expect(window.count).toBe(model.length)
          expect(window.full).toBe(model.length >= countMax || (bytesMax > 0 && sum >= bytesMax))
        }
      }),
    )
  })

  test('adding beyond its bound is a broken invariant', () => {
    const window = new Inflights(1, 0)
    window.add(1, 0)
    expect(() => window.add(2, 0)).toThrow('inflight window is full')
    window.reset()
    expect(window.full).toBe(false)
  })
})

describe('the progress of a replica', () => {
  test('probing sends one append and waits', () => {
    const peer = new PeerProgress(2, 5, false, LIMITS)
    expect(peer.paused).toBe(false)
    peer.sentEntries(0, 0)
    expect(peer.paused).toBe(false)
    peer.sentEntries(2, 9)
    expect(peer).toMatchObject({ paused: true, next: 5 })
  })

  test('replicating runs ahead until the window is full, and an acknowledgement opens it', () => {
    const peer = new PeerProgress(2, 5, false, LIMITS)
    peer.becomeReplicate()
    for (const match of [1, 2, 3]) {
      expect(peer.paused).toBe(false)
      peer.sentEntries(1, 1)
      expect(peer.next).toBe(match + 1)
    }
    expect(peer.paused).toBe(true)
    expect(peer.maybeUpdate(1)).toBe(true)
    peer.inflights.freeUpTo(1)
    expect(peer).toMatchObject({ paused: false, match: 1, next: 4 })
  })

  test.each([
    { state: 'replicate', match: 5, next: 10, rejected: 5, hint: 5, moved: false, after: 10 },
    { state: 'replicate', match: 5, next: 10, rejected: 9, hint: 9, moved: true, after: 6 },
    { state: 'snapshot', match: 0, next: 7, rejected: 6, hint: 2, moved: false, after: 7 },
    { state: 'probe', match: 0, next: 0, rejected: 0, hint: 0, moved: false, after: 0 },
    { state: 'probe', match: 0, next: 10, rejected: 5, hint: 5, moved: false, after: 10 },
    { state: 'probe', match: 0, next: 10, rejected: 9, hint: 9, moved: true, after: 9 },
    { state: 'probe', match: 0, next: 2, rejected: 1, hint: 1, moved: true, after: 1 },
    { state: 'probe', match: 0, next: 10, rejected: 9, hint: 2, moved: true, after: 3 },
    { state: 'probe', match: 4, next: 10, rejected: 9, hint: 0, moved: true, after: 5 },
  ] as const)(
    'in $state with match $match and next $next, refusing $rejected with hint $hint gives next $after',
    (row) => {
      const peer = new PeerProgress(2, row.next, false, LIMITS)
      peer.state = row.state
      peer.match = row.match
      expect(peer.maybeDecrement(row.rejected, row.hint)).toBe(row.moved)
      expect(peer.next).toBe(row.after)
    },
  )

  test('match stays below next, and a snapshot under way fixes next, whatever happens', () => {
    const actions: readonly ((peer: PeerProgress, index: number) => void)[] = [
      (peer) => peer.becomeProbe(),
      (peer) => peer.becomeReplicate(),
      (peer, index) => index > peer.match && peer.becomeSnapshot(index),
      (peer, index) => peer.maybeUpdate(index),
      (peer, index) => peer.maybeDecrement(index, index - 1),
      (peer, index) => !peer.paused && peer.sentEntries(index % 3, 1),
    ]
    const op = fc.record({ kind: fc.nat(actions.length - 1), index: fc.nat(20) })
    fc.assert(
      fc.property(fc.array(op, { maxLength: 40 }), (list) => {
        const peer = new PeerProgress(2, 1, false, LIMITS)
        for (const { kind, index } of list) {
          actions[kind]?.(peer, index)
          expect(peer.match).toBeLessThan(peer.next)
          if (peer.state === 'snapshot') expect(peer.next).toBeGreaterThan(peer.pendingSnapshot)
        }
      }),
    )
  })
})
