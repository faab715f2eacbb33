import { describe, expect, test } from 'vitest'
import type { ReadOutcome } from '../../src/replication/group.ts'
import { Cluster, type Node } from './cluster.ts'

function read(node: Node): ReadOutcome[] {
  const outcomes: ReadOutcome[] = []
  node.handle.read((outcome) => outcomes.push(outcome))
  return outcomes
}

describe('a linearizable read', () => {
  test('on the leader is answered after one round of heartbeats', async () => {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    await cluster.propose(leader, 'a')
    const outcomes = read(leader)
    expect(outcomes).toEqual([])
    await cluster.time.until(() => outcomes.length > 0, 100)
    expect(outcomes).toEqual([{ type: 'ok' }])
  })

  test('on a follower sees what was acknowledged before it was asked', async () => {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    await cluster.time.run(300)
    const [follower] = cluster.others(leader)
    if (follower === undefined) throw new Error('no follower')
    await cluster.propose(leader, 'a')
    expect(await follower.texts()).toEqual([])
    const outcomes = read(follower)
    await cluster.time.until(() => outcomes.length > 0, 1000)
    expect(outcomes).toEqual([{ type: 'ok' }])
    expect(await follower.texts()).toEqual(['a'])
  })

  test('waits until the replica has applied up to its point', async () => {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    await cluster.time.run(300)
    let busy: Promise<void> | undefined
    let reopened: () => void = () => undefined
    busy = new Promise<void>((resolve) => {
      reopened = resolve
    })
    leader.state.ready = () => busy
    const asked = cluster.ask(leader, 'a')
    await cluster.time.run(50)
    const outcomes = read(leader)
    await cluster.time.run(400)
    expect([asked.outcomes, outcomes]).toEqual([[], []])
    busy = undefined
    reopened()
    await cluster.time.until(() => outcomes.length > 0, 10)
    expect(asked.outcomes).toHaveLength(1)
    expect(outcomes).toEqual([{ type: 'ok' }])
  })

  test('is refused as soon as the leader it asked is no longer the leader', async () => {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    await cluster.time.run(300)
    const [follower, next] = cluster.others(leader)
    if (follower === undefined || next === undefined) throw new Error('no follower')
    cluster.network.cut(follower.id, leader.id)
    const outcomes = read(follower)
    leader.handle.transferLeadership(next.handle.replica)
    await cluster.time.until(() => outcomes.length > 0, 200)
    expect(outcomes).toEqual([{ type: 'refused', reason: 'NOT_LEADER' }])
  })

  test('of one turn shares its round with the others of that turn', async () => {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    await cluster.time.run(300)
    const before = cluster.network.sent.length
    const all = Array.from({ length: 100 }, () => read(leader))
    await cluster.time.until(() => all.every((outcomes) => outcomes.length === 1), 20)
    expect(cluster.network.sent.length - before).toBeLessThanOrEqual(4)
  })

  test('on a leader cut off is refused, never answered with old data', async () => {
    const cluster = await Cluster.start()
    const old = await cluster.leader()
    const rest = cluster.others(old)
    await cluster.time.run(300)
    cluster.network.isolate(
      old.id,
      rest.map(({ id }) => id),
    )
    const outcomes = read(old)
    const leader = await cluster.leader(rest)
    await cluster.propose(leader, 'new')
    await cluster.time.until(() => outcomes.length > 0, 5000)
    expect(outcomes[0]?.type).toBe('refused')
    cluster.network.heal()
    await cluster.settled()
    expect(outcomes).toHaveLength(1)
  })

  test('without a known leader is refused with NOT_LEADER', async () => {
    const cluster = await Cluster.start()
    const outcomes = read(cluster.node(1))
    await cluster.time.until(() => outcomes.length > 0, 100)
    expect(outcomes).toEqual([{ type: 'refused', reason: 'NOT_LEADER' }])
  })

  test('whose round gets no answer in time is refused with NO_QUORUM', async () => {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    await cluster.time.run(300)
    const [follower, other] = cluster.others(leader)
    if (follower === undefined || other === undefined) throw new Error('no follower')
    // The follower hears its leader, and its request goes nowhere.
    cluster.network.cut(follower.id, leader.id)
    const outcomes = read(follower)
    await cluster.time.until(() => outcomes.length > 0, 2000)
    expect(outcomes).toEqual([{ type: 'refused', reason: 'NO_QUORUM' }])
  })

  test('beyond the bound of waiting ones is refused with OVERLOADED: a quorum may well be there', async () => {
    const cluster = await Cluster.start({ limits: { readsMax: 2 } })
    const leader = await cluster.leader()
    const all = [read(leader), read(leader), read(leader)]
    expect(all[2]).toEqual([{ type: 'refused', reason: 'OVERLOADED' }])
    await cluster.time.until(() => all.every((outcomes) => outcomes.length === 1), 100)
    const again = read(leader)
    await cluster.time.until(() => again.length > 0, 100)
    expect(again).toEqual([{ type: 'ok' }])
  })

  test('left when its node closes is refused', async () => {
    const cluster = await Cluster.start()
    const old = await cluster.leader()
    cluster.network.isolate(
      old.id,
      cluster.others(old).map(({ id }) => id),
    )
    const outcomes = read(old)
    await cluster.time.during(old.multi.close(), 20_000)
    expect(outcomes).toHaveLength(1)
    expect(outcomes[0]?.type).toBe('refused')
  })
})
