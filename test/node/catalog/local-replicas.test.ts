/** What it costs to know who leads among the replicas of a node: as much as changes. */
import { expect, test } from 'vitest'
import { type LocalReplica, LocalReplicas } from '../../../src/node/catalog/local-replicas.ts'
import type { GroupStatus } from '../../../src/replication/group.ts'

const COUNT = 1000

/** So many replicas, led elsewhere, that count how often they are asked. */
function setUp() {
  let asked = 0
  const leaders = new Map(Array.from({ length: COUNT }, (_, i) => [i + 1, 2]))
  const handle = (group: number): LocalReplica | undefined => {
    const leader = leaders.get(group)
    if (leader === undefined) return undefined
    const status = (): GroupStatus => {
      asked++
      const role = leader === 1 ? 'leader' : 'follower'
      const rest = { leaderReplica: 0, commit: 0, applied: 0, lastAt: 0, match: new Map<number, number>() }
      return { ...rest, role, term: 5, leaderNode: leader, ready: role === 'leader' }
    }
    return { group, members: [], status, transferLeadership: () => undefined }
  }
  const handles = () => [...leaders.keys()].flatMap((group) => handle(group) ?? [])
  const replicas = new LocalReplicas({ handles, handle })
  /** How many were asked in a look, and what it found. */
  const look = (most = COUNT) => {
    asked = 0
    const looked = replicas.look(most)
    return { asked, ...looked }
  }
  return { leaders, replicas, look }
}

test('of a thousand replicas those are asked of which something may have changed', () => {
  const { leaders, replicas, look } = setUp()
  expect(look()).toEqual({ asked: COUNT, leadersChanged: true, ledChanged: false, more: false })
  expect(look()).toEqual({ asked: 0, leadersChanged: false, ledChanged: false, more: false })
  leaders.set(7, 1)
  replicas.changed(7)
  replicas.changed(8)
  expect(look()).toEqual({ asked: 2, leadersChanged: true, ledChanged: true, more: false })
  expect(replicas.leads()).toEqual([{ group: 7, term: 5 }])
  expect(Array.from(replicas.leading(), ({ group }) => group)).toEqual([7])
})

test('as many as a turn is for are asked in it, and the others in the next', () => {
  const { look } = setUp()
  expect(look(600)).toMatchObject({ asked: 600, more: true })
  expect(look(600)).toMatchObject({ asked: COUNT - 600, more: false })
})

test('one that is gone leads nothing any more', () => {
  const { leaders, replicas, look } = setUp()
  leaders.set(7, 1)
  look()
  leaders.delete(7)
  replicas.changed(7)
  expect(look()).toMatchObject({ leadersChanged: true, ledChanged: true })
  expect(replicas.leads()).toEqual([])
  expect(replicas.leaderOf(7)).toEqual({ node: 0, term: 0 })
})
