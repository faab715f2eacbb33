import { describe, expect, test } from 'vitest'
import { decodeFrame } from '../../src/replication/frame/frame.ts'
import { memoryStateStore } from '../../src/storage/state/store.ts'
import { Cluster, GROUP, type Node } from './cluster.ts'

const named = { file: '00000003.wal', offset: 512, reason: 'a batch is damaged', groups: [GROUP], everyGroup: false }

/** Node 1 comes back after damage of its log. */
async function damaged(everyGroup: boolean): Promise<{ cluster: Cluster; node: Node; rest: Node[] }> {
  const cluster = await Cluster.start()
  const node = cluster.node(1)
  await cluster.propose(await cluster.leader(), 'a')
  await cluster.time.run(500)
  node.crash()
  node.logDisk.logs.delete(GROUP)
  if (!everyGroup) node.logDisk.tombstones.set(GROUP, 10)
  node.damage = [everyGroup ? { ...named, groups: [], everyGroup } : named]
  return { cluster, node, rest: cluster.others(node) }
}

describe('a replica whose log was damaged', () => {
  test('does not start again, and says where the damage is; the others go on', async () => {
    const { cluster, node, rest } = await damaged(false)
    cluster.network.sent.length = 0
    await expect(node.restart()).rejects.toThrow('its log is damaged (00000003.wal, 512: a batch is damaged)')
    expect(node.events).toContainEqual({ type: 'damaged', group: GROUP, file: '00000003.wal', offset: 512 })
    expect(node.multi.stats().damaged).toEqual([GROUP])
    expect(node.multi.handle(GROUP)).toBeUndefined()
    expect(await cluster.propose(await cluster.leader(rest), 'b')).toMatchObject({ type: 'applied' })
    const said = cluster.network.sent.flatMap(({ from, frame }) => (from === 1 ? decodeFrame(frame).envelopes : []))
    expect(said).toEqual([])
  })

  test('that the log does not know any more gets its tombstone before anything else', async () => {
    const { node } = await damaged(true)
    await expect(node.restart()).rejects.toThrow('its log is damaged')
    expect(node.logDisk.tombstones.get(GROUP)).toBe(10)
    expect(node.wal.handed).toEqual([{ group: GROUP, replica: 10, removed: true }])
    node.damage = []
    node.crash()
    await expect(node.restart()).rejects.toThrow('it was removed')
  })

  test('is none of a later id than the damage, wherever it was', async () => {
    const { cluster, node } = await damaged(true)
    node.lostBelow = 10
    await node.restart(8)
    const groups = [8, GROUP].map((group) => node.multi.handle(group)?.group)
    expect([groups, [...node.logDisk.tombstones]]).toEqual([[8, undefined], []])
    // What it had before is lost all the same, and so is what others call by an id below.
    node.crash()
    node.lostBelow = 11
    node.logDisk.logs.clear()
    await expect(node.restart()).rejects.toThrow('its log is damaged')
    await expect(cluster.time.during(node.start(9))).rejects.toThrow('its log is damaged')
  })

  test('leaves a group that is new to the node alone once it comes under another id', async () => {
    const { cluster, node } = await damaged(true)
    await expect(node.restart(8)).rejects.toThrow('its log is damaged')
    expect(node.logDisk.tombstones.get(8)).toBe(10)
    await expect(cluster.time.during(node.start(8))).rejects.toThrow('Cannot start replica 10 of group 8')
  })
})

describe('a replica whose state was damaged', () => {
  test('is made anew from a log that begins at the first entry', async () => {
    const cluster = await Cluster.start({ nodes: 1 })
    const node = await cluster.leader()
    for (const value of ['a', 'b']) await cluster.propose(node, value)
    node.crash()
    node.breakState('a row is damaged')
    await node.restart()
    await cluster.leader()
    expect(await node.texts()).toEqual(['a', 'b'])
    expect(node.events).toContainEqual({ type: 'stateDamaged', group: GROUP, reason: 'a row is damaged' })
  })

  test('does not start when it is damaged again as soon as it was made anew', async () => {
    const cluster = await Cluster.start({ nodes: 1 })
    const node = await cluster.leader()
    await cluster.propose(node, 'a')
    node.crash()
    node.breakState('a row is damaged', true)
    await expect(node.restart()).rejects.toThrow('a row is damaged')
    expect(node.events.filter(({ type }) => type === 'stateDamaged').length).toBeLessThan(3)
  })

  test('does not start when the log begins later and nobody else has the state', async () => {
    const cluster = await Cluster.start({ nodes: 1, limits: { checkpointBytes: 100 } })
    const node = await cluster.leader()
    for (const value of ['a', 'b']) await cluster.propose(node, value)
    await cluster.time.run(100)
    node.crash()
    node.breakState('a row is damaged')
    await expect(node.restart()).rejects.toThrow('its state is damaged (a row is damaged)')
  })
})

describe('a replica whose state was damaged, with a log that begins later', () => {
  const LIMITS = { checkpointBytes: 2000, walRetainBytes: 500, snapshotChunkBytes: 2000 }
  const installed = (node: Node) => node.events.filter(({ type }) => type === 'snapshotInstalled').length

  /** Ten thousand bytes later, so that the beginning of every log is gone; `pick` goes down and comes back damaged. */
  async function broken(
    seed: number,
    pick: (leader: Node, others: Node[]) => Node | undefined,
  ): Promise<{ cluster: Cluster; node: Node; values: string[] }> {
    const cluster = await Cluster.start({ seed, limits: LIMITS })
    const leader = await cluster.leader()
    const values = Array.from({ length: 20 }, (_, i) => `${i}-${'x'.repeat(500)}`)
    for (const value of values) await cluster.propose(leader, value)
    await cluster.settled()
    await cluster.time.run(300)
    const node = pick(leader, cluster.others(leader))
    if (node === undefined) throw new Error('nobody was picked')
    expect(node.logDisk.logs.get(GROUP)?.base.index).toBeGreaterThan(5)
    node.crash()
    node.breakState('a row is damaged')
    return { cluster, node, values }
  }

  test.each(['follower', 'leader'])('is healed in place by a snapshot when it was the %s', async (role) => {
    const { cluster, node, values } = await broken(1, (leader, [other]) => (role === 'leader' ? leader : other))
    const { logs } = node.logDisk
    const before = { base: logs.get(GROUP)?.base, last: logs.get(GROUP)?.lastIndex() ?? 0 }
    await cluster.leader(cluster.others(node))
    await expect(node.restart()).resolves.toBeUndefined()
    expect(node.events).toContainEqual({ type: 'stateDamaged', group: GROUP, reason: 'a row is damaged' })
    expect(node.handle.status().applied).toBe(0)
    await cluster.time.until(() => installed(node) === 1, 10_000)
    // Its log was whole: it goes on as it was, under the same replica id.
    expect(node.wal.handed.some(({ snapshot }) => snapshot !== undefined)).toBe(false)
    await cluster.settled()
    expect(await node.texts()).toEqual(values)
    expect(node.logDisk.logs.get(GROUP)?.lastIndex()).toBeGreaterThanOrEqual(before.last)
    await cluster.propose(await cluster.leader(), 'after')
    await cluster.settled()
    expect(await node.texts()).toEqual([...values, 'after'])
    node.crash()
    await node.restart()
    await cluster.settled()
    expect(installed(node)).toBe(1)
    expect(await node.texts()).toEqual([...values, 'after'])
  })

  test('counts for the quorum before it is healed, and never leads', async () => {
    const { cluster, node, values } = await broken(2, (_, [other]) => other)
    const [leader, third] = await leaderAndThird(cluster, node)
    third.crash()
    cluster.network.onChunk = () => {
      throw new Error('no snapshot gets through')
    }
    await node.restart()
    expect(await cluster.propose(leader, 'with two')).toMatchObject({ type: 'applied' })
    expect(installed(node)).toBe(0)
    leader.crash()
    await cluster.time.run(5000)
    expect(node.leads).toBe(false)
    cluster.network.onChunk = () => undefined
    await leader.restart()
    await third.restart()
    await cluster.settled()
    for (const one of cluster.nodes) expect(await one.texts()).toEqual([...values, 'with two'])
  })

  test('that crashes at any moment of the healing comes back and is healed', async () => {
    for (let step = 0; step < 16; step++) {
      const { cluster, node, values } = await broken(step, (_, [other]) => other)
      await node.restart()
      let chunks = 0
      cluster.network.onChunk = () => {
        chunks++
      }
      await cluster.time.until(() => chunks >= 1, 10_000)
      await cluster.time.run(step * 1.5)
      node.crash()
      await cluster.time.run(50)
      await node.restart()
      await cluster.settled()
      expect(await node.texts()).toEqual(values)
    }
  })

  test('and whose checkpoint is gone altogether is healed as well', async () => {
    const { cluster, node, values } = await broken(3, (_, [other]) => other)
    node.breakState(undefined)
    await cluster.time.during(memoryStateStore(cluster.time.env(), node.stateDisk).remove(GROUP))
    await node.restart()
    expect(node.events).toContainEqual({ type: 'stateDamaged', group: GROUP, reason: 'its checkpoint is gone' })
    await cluster.settled()
    expect(installed(node)).toBe(1)
    expect(await node.texts()).toEqual(values)
  })

  test('and whose newest checkpoint was torn off, so that an older one counts, is healed as well', async () => {
    const { cluster, node, values } = await broken(3, (_, [other]) => other)
    node.breakState(undefined)
    const store = memoryStateStore(cluster.time.env(), node.stateDisk)
    await cluster.time.during(store.remove(GROUP))
    const state = await cluster.time.during(store.group(GROUP))
    const confState = { voters: [10, 20, 30], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false }
    await cluster.time.during(state.checkpoint({ applied: 1, term: 1, confState, lastAt: 0 }))
    await expect(node.restart()).resolves.toBeUndefined()
    const reason = expect.stringMatching(/^its checkpoint is at 1, its log begins behind \d+$/)
    expect(node.events).toContainEqual({ type: 'stateDamaged', group: GROUP, reason })
    await cluster.settled()
    expect(installed(node)).toBe(1)
    expect(await node.texts()).toEqual(values)
  })
})

describe('a replica whose state turns out damaged while it runs', () => {
  const installed = (node: Node) => node.events.filter(({ type }) => type === 'snapshotInstalled').length

  /** Somebody has checkpoints of some of it, and none of all. */
  async function running(seed: number, role: string): Promise<{ cluster: Cluster; node: Node; values: string[] }> {
    const cluster = await Cluster.start({ seed, limits: { checkpointBytes: 3000, walRetainBytes: 500 } })
    const leader = await cluster.leader()
    const values = Array.from({ length: 20 }, (_, i) => `${i}-${'x'.repeat(500)}`)
    for (const value of values) await cluster.propose(leader, value)
    await cluster.settled()
    const [follower] = cluster.others(leader)
    if (follower === undefined) throw new Error('there is one node only')
    return { cluster, node: role === 'leader' ? leader : follower, values }
  }

  async function isHealed(cluster: Cluster, node: Node, values: readonly string[]): Promise<void> {
    expect(await soon(cluster, () => installed(node) === 1)).toBe(true)
    await cluster.settled()
    expect(await node.texts()).toEqual(values)
    expect(node.multi.stats().stateLost).toEqual([])
    await cluster.propose(await cluster.leader(), 'after')
    await cluster.settled()
    for (const one of cluster.nodes) expect(await one.texts()).toEqual([...values, 'after'])
    expect(cluster.nodes.flatMap(({ fatal }) => fatal)).toEqual([])
  }

  test.each([
    ['follower', 1],
    ['follower', 2],
    ['leader', 3],
    ['leader', 4],
  ])('by apply, is healed in place and goes on: a %s (seed %i)', async (role, seed) => {
    const { cluster, node, values } = await running(seed, role)
    node.breakReads('a row is damaged')
    const answer = cluster.ask(await cluster.leader(), 'look here')
    expect(await soon(cluster, () => node.events.some(({ type }) => type === 'stateDamaged'))).toBe(true)
    expect(node.events).toContainEqual({ type: 'stateDamaged', group: GROUP, reason: 'a row is damaged' })
    expect([node.leads, node.multi.stats().stateLost, node.handle.status().applied]).toEqual([false, [GROUP], 0])
    await isHealed(cluster, node, [...values, 'look here'])
    expect(answer.outcomes).toMatchObject([{ type: role === 'leader' ? 'unknown' : 'applied' }])
  })

  test.each(['follower', 'leader'])('by somebody who reads, is healed in place: a %s', async (role) => {
    const { cluster, node, values } = await running(5, role)
    node.breakReads('a block is damaged')
    await expect(node.texts()).rejects.toThrow('a block is damaged')
    await isHealed(cluster, node, values)
    expect(node.events).toContainEqual({ type: 'stateDamaged', group: GROUP, reason: 'a block is damaged' })
  })

  test('by its first read after a start, is healed in place', async () => {
    const { cluster, node, values } = await running(6, 'follower')
    await cluster.time.run(500)
    node.crash()
    node.breakReads('a row is damaged')
    await expect(node.restart()).resolves.toBeUndefined()
    await isHealed(cluster, node, values)
  })

  test('that leads hands over without waiting for a timeout', async () => {
    const { cluster, node } = await running(7, 'leader')
    const before = cluster.time.nowMs
    node.breakReads('a row is damaged')
    await expect(node.texts()).rejects.toThrow()
    await cluster.leader(cluster.others(node))
    expect(cluster.time.nowMs - before).toBeLessThan(300)
  })

  test('stops the node if nobody else has the state', async () => {
    const cluster = await Cluster.start({ nodes: 1 })
    const node = await cluster.leader()
    await cluster.propose(node, 'a')
    node.breakReads('a row is damaged')
    cluster.ask(node, 'look')
    await cluster.time.until(() => node.fatal.length > 0)
    expect(String(node.fatal[0])).toContain('a row is damaged')
  })
})

test('a replica that never wrote anything starts where damaged files may have held something of it', async () => {
  const cluster = await Cluster.start({ nodes: 1 })
  const node = cluster.node(1)
  node.crash()
  node.logDisk.logs.delete(GROUP)
  node.breakState('a table is damaged')
  await node.restart()
  const leader = await cluster.leader()
  expect(await cluster.propose(leader, 'a')).toMatchObject({ type: 'applied' })
})

async function soon(cluster: Cluster, condition: () => boolean): Promise<boolean> {
  for (let ms = 0; ms < 20_000 && !condition(); ms += 10) await cluster.time.run(10)
  return condition()
}

async function leaderAndThird(cluster: Cluster, node: Node): Promise<[Node, Node]> {
  const leader = await cluster.leader(cluster.others(node))
  const third = cluster.nodes.find((one) => one !== node && one !== leader)
  if (third === undefined) throw new Error('there are only two nodes')
  return [leader, third]
}
