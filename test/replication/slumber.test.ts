import { expect, test } from 'vitest'
import type { NodeId } from '../../src/base/ids.ts'
import { type Sleep, type Sleeper, Slumber } from '../../src/replication/slumber.ts'

const SILENT_TICKS = 8

class Replica implements Sleeper {
  readonly group: number
  readonly sleep: Sleep
  woken = 0

  constructor(group: number, sleep: Sleep) {
    this.group = group
    this.sleep = sleep
  }

  sleeps(): Sleep {
    return this.sleep
  }

  wake(): void {
    this.woken++
  }
}

function slumberOf(): { slumber: Slumber<Replica>; pulsed: (ticks: number) => NodeId[] } {
  const sent: NodeId[] = []
  const outbox = { pulse: (node: NodeId) => sent.push(node) }
  const slumber = new Slumber<Replica>({ silentTicks: SILENT_TICKS, pulseTicks: 2, outbox })
  const pulsed = (ticks: number) => {
    sent.length = 0
    for (let i = 0; i < ticks; i++) slumber.tick(1)
    return sent
  }
  return { slumber, pulsed }
}

function followerOf(leader: NodeId, patienceTicks: number): Sleep {
  return { leads: false, term: 1, nodes: [leader], patienceTicks }
}

test('every node that carries a replica of a group here is told that this one lives, and no other', () => {
  const { slumber, pulsed } = slumberOf()
  slumber.meet([2, 3])
  expect(pulsed(2)).toEqual([2, 3])
  slumber.keepTo(new Set([3, 4]))
  expect(pulsed(2)).toEqual([3, 4])
})

test('a node without a replica here is told as long as somebody sleeps under it', () => {
  const { slumber, pulsed } = slumberOf()
  const replica = new Replica(7, followerOf(2, 2 * SILENT_TICKS))
  slumber.turned(replica)
  slumber.keepTo(new Set())
  expect(pulsed(2)).toEqual([2])
  slumber.forget(replica)
  slumber.keepTo(new Set())
  expect(pulsed(2)).toEqual([])
})

test('a follower is not woken while its leader’s node is heard, and each at its own time once it is not', () => {
  const { slumber } = slumberOf()
  const patient = new Replica(7, followerOf(2, SILENT_TICKS + 5))
  const hasty = new Replica(8, followerOf(2, SILENT_TICKS))
  for (const replica of [patient, hasty]) slumber.turned(replica)
  for (let i = 0; i < 100; i++) {
    if (i % (SILENT_TICKS - 1) === 0) slumber.heard(2, undefined)
    slumber.tick(1)
  }
  expect([hasty.woken, patient.woken]).toEqual([0, 0])
  slumber.heard(2, undefined)
  for (let i = 0; i < SILENT_TICKS; i++) slumber.tick(1)
  expect([hasty.woken, patient.woken]).toEqual([1, 0])
  for (let i = 0; i < 5; i++) slumber.tick(1)
  expect(patient.woken).toBe(1)
})

test('what this node missed makes nobody silent, and brings nobody nearer to it who was silent already', () => {
  const { slumber } = slumberOf()
  const patient = new Replica(7, followerOf(2, 2 * SILENT_TICKS))
  const hasty = new Replica(8, followerOf(2, SILENT_TICKS))
  for (const replica of [patient, hasty]) slumber.turned(replica)
  slumber.missTicks(100)
  // The time between two signs of life is granted.
  slumber.tick(1)
  expect(hasty.woken).toBe(0)
  slumber.tick(1)
  expect([hasty.woken, patient.woken]).toEqual([1, 0])
  slumber.missTicks(100)
  for (let i = 0; i < SILENT_TICKS - 1; i++) slumber.tick(1)
  expect(patient.woken).toBe(0)
  slumber.tick(1)
  expect(patient.woken).toBe(1)
})

test('a leader is woken when it may lack a majority of voters, learners not counted', () => {
  const { slumber } = slumberOf()
  const sleep = { leads: true, term: 1, nodes: [2, 3, 4], voters: [2, 3], spare: 1 } as const
  const leader = new Replica(7, sleep)
  slumber.turned(leader)
  for (let i = 0; i < 3 * SILENT_TICKS; i++) {
    slumber.tick(1)
    slumber.heard(3, undefined)
  }
  expect(leader.woken).toBe(0)
  for (let i = 0; i < SILENT_TICKS; i++) slumber.tick(1)
  expect(leader.woken).toBeGreaterThan(0)
})
