/** Every proposal is answered exactly once, and the answer is true. */
import { describe, expect, test } from 'vitest'
import { COMMAND_BYTES_MAX } from '../../src/base/limits.ts'
import { Cluster, type Node } from './cluster.ts'

const long = (character: string) => character.repeat(10_000)

async function isolatedLeader(options = {}): Promise<{ cluster: Cluster; old: Node; rest: Node[] }> {
  const cluster = await Cluster.start(options)
  const old = await cluster.leader()
  const rest = cluster.others(old)
  cluster.network.isolate(
    old.id,
    rest.map(({ id }) => id),
  )
  return { cluster, old, rest }
}

describe('a proposal', () => {
  test('to a follower is refused with NOT_LEADER and stores nothing', async () => {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    const [follower] = cluster.others(leader)
    if (follower === undefined) throw new Error('no follower')
    expect(await cluster.propose(follower, 'x')).toEqual({ type: 'refused', reason: 'NOT_LEADER' })
    await cluster.settled()
    expect(await leader.texts()).toEqual([])
  })

  test('of one command larger than an entry is stored on every replica', async () => {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    const outcome = await cluster.propose(leader, 'x'.repeat(COMMAND_BYTES_MAX))
    expect(outcome.type).toBe('applied')
    await cluster.settled()
    for (const node of cluster.nodes) expect((await node.texts())[0]?.length).toBe(COMMAND_BYTES_MAX)
  })

  test('to a leader whose first entry is not applied yet is refused', async () => {
    const cluster = await Cluster.start()
    const { time } = cluster
    await time.until(() => cluster.nodes.some(({ handle }) => handle.status().role === 'leader'))
    const leading = cluster.nodes.find(({ handle }) => handle.status().role === 'leader')
    if (leading === undefined) throw new Error('no leader')
    expect(leading.handle.status().ready).toBe(false)
    expect(await cluster.propose(leading, 'early')).toEqual({ type: 'refused', reason: 'NOT_LEADER' })
  })

  test('is stamped with a time that never goes back, the same on every replica', async () => {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    const first = await cluster.propose(leader, 'a')
    leader.env.wallOffsetMs = -1000
    const { outcomes } = cluster.ask(leader, 'b')
    await cluster.time.run(1000)
    expect(cluster.nodes.flatMap(({ fatal }) => fatal)).toEqual([])
    if (first.type !== 'applied') throw new Error('not applied')
    expect(outcomes).toMatchObject([{ type: 'applied', at: first.at }])
    for (const { handle } of cluster.nodes) expect(handle.status().lastAt).toBe(first.at)
  })

  test('left without quorum is unknown once the leader steps down, and is not answered again', async () => {
    const { cluster, old, rest } = await isolatedLeader()
    const asked = [cluster.ask(old, 'a'), cluster.ask(old, 'b')]
    await cluster.time.until(() => asked.every(({ outcomes }) => outcomes.length > 0), 5000)
    expect(old.handle.status().role).not.toBe('leader')
    expect(asked.map(({ outcomes }) => outcomes)).toEqual([[{ type: 'unknown' }], [{ type: 'unknown' }]])
    await cluster.leader(rest)
    cluster.network.heal()
    await cluster.settled()
    expect(asked.every(({ outcomes }) => outcomes.length === 1)).toBe(true)
  })

  test('that had reached the others before the crash of its leader survives it', async () => {
    const cluster = await Cluster.start()
    const old = await cluster.leader()
    const { network, time } = cluster
    // The followers take the entry; their acknowledgements never arrive.
    for (const { id } of cluster.others(old)) network.cut(id, old.id)
    const asked = cluster.ask(old, 'survivor')
    await time.run(20)
    old.crash()
    expect(asked.outcomes).toEqual([])
    network.heal()
    const leader = await cluster.leader(cluster.others(old))
    expect(await leader.texts()).toEqual(['survivor'])
  })

  test('beyond the bound of uncommitted bytes is OVERLOADED, the others wait', async () => {
    const { cluster, old } = await isolatedLeader({ limits: { uncommittedBytes: 15_000 } })
    const first = cluster.ask(old, long('a'))
    const second = cluster.ask(old, long('b'))
    const third = cluster.ask(old, long('c'))
    expect([first, second].flatMap(({ outcomes }) => outcomes)).not.toContainEqual({ type: 'applied' })
    expect(third.outcomes).toEqual([{ type: 'refused', reason: 'OVERLOADED' }])
    await cluster.time.until(() => first.outcomes.length === 1, 5000)
    expect(first.outcomes).toEqual([{ type: 'unknown' }])
  })

  test('beyond the bound of what waits for the disk is OVERLOADED', async () => {
    const cluster = await Cluster.start({ nodes: 1, limits: { walPendingBytes: 15_000 } })
    const leader = await cluster.leader()
    const asked = ['a', 'b', 'c'].map((character) => cluster.ask(leader, long(character)))
    leader.wal.append(
      { group: 99, replica: 1, entries: [{ term: 1, index: 1, type: 'normal', data: new Uint8Array(20_000) }] },
      () => undefined,
    )
    const refused = cluster.ask(leader, 'd')
    expect(refused.outcomes).toEqual([{ type: 'refused', reason: 'OVERLOADED' }])
    await cluster.time.until(() => asked.every(({ outcomes }) => outcomes[0]?.type === 'applied'), 1000)
    expect(await cluster.propose(leader, 'e')).toMatchObject({ type: 'applied' })
  })

  test('that reach a follower whose disk is stuck are kept up to a bound, and come once more when it is not', async () => {
    const cluster = await Cluster.start({ limits: { walPendingBytes: 50_000 } })
    const leader = await cluster.leader()
    await cluster.time.run(500)
    const [follower] = cluster.others(leader)
    if (follower === undefined) throw new Error('no follower')
    follower.wal.setState('stuck')
    const asked = []
    for (let i = 0; i < 40; i++) {
      asked.push(cluster.ask(leader, long('f')))
      await cluster.time.run(5)
    }
    expect(follower.wal.pendingBytes).toBeGreaterThan(100_000)
    expect(follower.wal.pendingBytes).toBeLessThan(130_000)
    follower.wal.setState('ok')
    await cluster.settled()
    expect(asked.every(({ outcomes }) => outcomes[0]?.type === 'applied')).toBe(true)
    expect(await follower.texts()).toEqual(await leader.texts())
  })

  test('to a full disk is refused with DISK_FULL, leadership moves, and nothing acknowledged is lost', async () => {
    const cluster = await Cluster.start()
    const old = await cluster.leader()
    await cluster.propose(old, 'before')
    await cluster.time.run(500)
    const pending = cluster.ask(old, 'pending')
    old.wal.setState('full')
    expect(await cluster.propose(old, 'refused')).toEqual({ type: 'refused', reason: 'DISK_FULL' })
    const leader = await cluster.leader(cluster.others(old))
    await cluster.time.until(() => pending.outcomes.length > 0, 5000)
    await cluster.propose(leader, 'after')
    old.wal.setState('ok')
    await cluster.settled()
    const kept =
      pending.outcomes[0]?.type === 'applied'
        ? ['before', 'pending', 'after']
        : expect.arrayContaining(['before', 'after'])
    expect(await old.texts()).toEqual(kept)
  })

  test('during the close of its node is refused with SHUTTING_DOWN; leaderships move and what waited is answered', async () => {
    const cluster = await Cluster.start()
    const old = await cluster.leader()
    await cluster.time.run(500)
    const pending = cluster.ask(old, 'pending')
    const closing = old.multi.close()
    const late = cluster.ask(old, 'late')
    expect(late.outcomes).toEqual([{ type: 'refused', reason: 'SHUTTING_DOWN' }])
    await cluster.time.during(closing, 10_000)
    expect(pending.outcomes).toHaveLength(1)
    expect((await cluster.leader(cluster.others(old))).id).not.toBe(old.id)
    expect(old.logDisk.logs.get(7)?.hard).toBeDefined()
  })

  test('left when its node closes without quorum is unknown', async () => {
    const { cluster, old } = await isolatedLeader()
    const pending = cluster.ask(old, 'pending')
    await cluster.time.during(old.multi.close(), 20_000)
    expect(pending.outcomes).toEqual([{ type: 'unknown' }])
  })

  test('is counted by its outcome', async () => {
    const { cluster, old } = await isolatedLeader()
    const lost = cluster.ask(old, 'a')
    await cluster.time.until(() => lost.outcomes.length > 0, 5000)
    cluster.ask(old, 'b')
    const { proposals, groups } = old.multi.stats()
    expect(proposals).toEqual({ applied: 0, refused: 1, unknown: 1 })
    expect(groups).toBe(1)
  })
})

test('of thousands of proposals under crashes and partitions none is answered twice, and none applied is lost', async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const cluster = await Cluster.start({ seed, limits: { checkpointBytes: 4000, walRetainBytes: 1000 } })
    const { time, network } = cluster
    const asked: { readonly value: string; readonly outcomes: { readonly type: string }[] }[] = []
    const propose = () => {
      for (const node of cluster.nodes) {
        if (!node.leads) continue
        const value = `v${asked.length}`
        asked.push({ value, outcomes: cluster.ask(node, value).outcomes })
      }
    }
    for (let round = 0; round < 12; round++) {
      for (let i = 0; i < 20; i++) {
        propose()
        await time.run(5 + time.random() * 20)
      }
      const victim = cluster.node(1 + Math.floor(time.random() * 3))
      if (time.random() < 0.5) {
        victim.crash(time.random() < 0.5)
        await time.run(time.random() * 2000)
        await victim.restart()
      } else {
        network.isolate(
          victim.id,
          cluster.others(victim).map(({ id }) => id),
        )
        for (let i = 0; i < 20; i++) {
          propose()
          await time.run(time.random() * 100)
        }
        network.heal()
      }
    }
    await time.run(3000)
    await cluster.settled()
    const texts = await cluster.node(1).texts()
    for (const node of cluster.nodes) {
      expect(node.fatal).toEqual([])
      expect(await node.texts()).toEqual(texts)
    }
    const applied = asked.filter(({ outcomes }) => outcomes[0]?.type === 'applied').map(({ value }) => value)
    expect(applied.length).toBeGreaterThan(100)
    expect(asked.every(({ outcomes }) => outcomes.length <= 1)).toBe(true)
    expect(applied.filter((value) => !texts.includes(value))).toEqual([])
    expect(new Set(texts).size).toBe(texts.length)
  }
}, 60_000)
