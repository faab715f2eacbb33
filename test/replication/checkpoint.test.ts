import { describe, expect, test } from 'vitest'
import { recover } from '../../src/replication/recovery.ts'
import type { GroupState } from '../../src/storage/state/types.ts'
import { Cluster, GROUP, type Node, type Outcome } from './cluster.ts'
import { ListView, text } from './list-view.ts'

const checkpoints = (node: Node) => node.events.filter(({ type }) => type === 'checkpointed').length
const long = (i: number) => `${i}-${'x'.repeat(500)}`

async function single(limits = {}): Promise<{ cluster: Cluster; node: Node }> {
  const cluster = await Cluster.start({ nodes: 1, limits })
  return { cluster, node: await cluster.leader() }
}

describe('a replica', () => {
  test('comes back after a crash from its log alone', async () => {
    const { cluster, node } = await single()
    for (const value of ['a', 'b', 'c']) await cluster.propose(node, value)
    node.crash()
    await node.restart()
    await cluster.leader()
    expect(await node.texts()).toEqual(['a', 'b', 'c'])
    expect(checkpoints(node)).toBe(0)
  })

  test('comes back after a crash from its checkpoint and the log behind it', async () => {
    const { cluster, node } = await single({ checkpointBytes: 5000 })
    for (let i = 0; i < 40; i++) await cluster.propose(node, long(i))
    await cluster.time.run(100)
    expect(checkpoints(node)).toBeGreaterThan(2)
    expect(node.wal.group(GROUP)?.firstIndex()).toBeGreaterThan(20)
    await cluster.propose(node, 'last')
    node.crash()
    await node.restart()
    await cluster.leader()
    const texts = await node.texts()
    expect(texts).toEqual([...Array.from({ length: 40 }, (_, i) => long(i)), 'last'])
    expect(node.handle.view.count).toBe(41)
  })

  test('checkpoints after so many bytes of log, even if its state stays small', async () => {
    const { cluster, node } = await single({ checkpointLogBytes: 5000 })
    for (let i = 0; i < 40; i++) await cluster.propose(node, long(i))
    await cluster.time.run(100)
    expect(checkpoints(node)).toBeGreaterThan(2)
  })

  test('checkpoints when it keeps old segments of the log alive', async () => {
    const { cluster, node } = await single()
    await cluster.propose(node, 'a')
    node.wal.lagging = [GROUP]
    await cluster.time.until(() => checkpoints(node) === 1, 3000)
    expect(node.wal.group(GROUP)?.firstIndex()).toBe(3)
  })

  test('checkpoints when it is stopped, and then has nothing to replay', async () => {
    const { cluster, node } = await single()
    await cluster.propose(node, 'a')
    await cluster.time.during(node.multi.stop(GROUP))
    expect(node.multi.handle(GROUP)).toBeUndefined()
    expect(checkpoints(node)).toBe(1)
    const handle = await cluster.time.during(node.start())
    expect(handle.status().applied).toBe(2)
    expect(await handle.view.texts(handle.reader)).toEqual(['a'])
  })

  test('keeps its time over a restart', async () => {
    const { cluster, node } = await single()
    node.env.wallOffsetMs = 60_000
    const first = await cluster.propose(node, 'a')
    await cluster.time.during(node.multi.close(), 20_000)
    node.crash()
    await node.restart()
    await cluster.leader()
    const second = await cluster.propose(node, 'b')
    if (first.type !== 'applied' || second.type !== 'applied') throw new Error('not applied')
    expect(second.at).toBe(first.at)
  })

  test('at its bound of layers applies nothing more before its checkpoint ends, and refuses meanwhile', async () => {
    const { cluster, node } = await single({ checkpointBytes: 4000, layerBytesMax: 6000 })
    const late: Outcome[] = []
    let bytesMax = 0
    node.handle.observe({
      status: () => undefined,
      reloaded: () => undefined,
      applied: () => {
        const bytes = node.stateBytes()
        bytesMax = Math.max(bytesMax, bytes)
        if (bytes >= 6000) node.handle.propose({ at: 0, commands: [], done: (outcome) => late.push(outcome) })
      },
    })
    const asked = Array.from({ length: 60 }, (_, i) => cluster.ask(node, long(i)))
    await cluster.time.until(() => asked.every(({ outcomes }) => outcomes.length === 1), 5000)
    expect(asked.every(({ outcomes }) => outcomes[0]?.type === 'applied')).toBe(true)
    expect(late.length).toBeGreaterThan(0)
    expect(late).toEqual(late.map(() => ({ type: 'refused', reason: 'OVERLOADED' })))
    expect(bytesMax).toBeLessThan(7500)
    expect(checkpoints(node)).toBeGreaterThan(3)
  })

  test('whose layers reach their bound during a checkpoint makes another one, though nothing is left to apply', async () => {
    const { cluster, node } = await single({ checkpointBytes: 4000, layerBytesMax: 100_000 })
    const { reader } = node.handle
    if (!('checkpoint' in reader)) throw new Error('what a replica reads is its state')
    const state = reader as typeof reader & Pick<GroupState, 'checkpoint'>
    const checkpoint = state.checkpoint.bind(state)
    state.checkpoint = async (meta) => {
      await checkpoint(meta)
      await new Promise<void>((resolve) => node.env.after(100, resolve))
    }
    await cluster.propose(node, ...Array.from({ length: 9 }, (_, i) => long(i)))
    await cluster.time.run(10)
    await cluster.propose(node, ...Array.from({ length: 300 }, (_, i) => long(i)))
    expect(node.stateBytes()).toBeGreaterThan(100_000)
    await cluster.time.run(1000)
    expect(await cluster.propose(node, 'last')).toMatchObject({ type: 'applied' })
  })

  test('releases the log only when the checkpoint that covers it is durable', async () => {
    const { cluster, node } = await single({ checkpointBytes: 4000 })
    const { reader } = node.handle
    if (!('checkpoint' in reader)) throw new Error('what a replica reads is its state')
    const state = reader as typeof reader & Pick<GroupState, 'checkpoint'>
    const checkpoint = state.checkpoint.bind(state)
    let begun = 0
    state.checkpoint = async (meta) => {
      begun++
      await new Promise<void>((resolve) => node.env.after(500, resolve))
      await checkpoint(meta)
    }
    for (let i = 0; i < 20; i++) await cluster.propose(node, long(i))
    await cluster.time.run(50)
    expect([begun, node.wal.group(GROUP)?.firstIndex()]).toEqual([1, 1])
    node.crash()
    await node.restart()
    await cluster.leader()
    expect(await node.texts()).toHaveLength(20)
  })

  test('keeps the log that a follower still needs, up to its bound', async () => {
    const cluster = await Cluster.start({ limits: { checkpointBytes: 4000, walRetainBytes: 20_000 } })
    const leader = await cluster.leader()
    const [lagging] = cluster.others(leader)
    if (lagging === undefined) throw new Error('no follower')
    cluster.network.isolate(
      lagging.id,
      cluster.others(lagging).map(({ id }) => id),
    )
    for (let i = 0; i < 30; i++) await cluster.propose(leader, long(i))
    await cluster.time.run(100)
    expect(leader.wal.group(GROUP)?.firstIndex()).toBeLessThan(10)
    for (let i = 30; i < 80; i++) await cluster.propose(leader, long(i))
    await cluster.time.run(100)
    expect(leader.wal.group(GROUP)?.firstIndex()).toBeGreaterThan(40)
  })
})

describe('a start', () => {
  test('refuses a log that begins behind the checkpoint', async () => {
    const { cluster, node } = await single()
    await cluster.propose(node, 'a')
    node.logDisk.logs.get(GROUP)?.release(2)
    const confState = { voters: [10], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false }
    const older = { applied: 1, term: 1, confState, lastAt: 0 }
    await expect(cluster.time.during(recover(cluster.spec(1), node.wal, older))).rejects.toThrow(
      'its log begins behind 2, its checkpoint is at 1',
    )
    node.crash()
    await expect(node.restart()).rejects.toThrow('its state is damaged (its checkpoint is gone)')
  })

  test('refuses a log that ends before what was committed', async () => {
    const { cluster, node } = await single()
    await cluster.propose(node, 'a')
    node.logDisk.logs.get(GROUP)?.store({ index: 0, term: 0 }, [], { term: 1, vote: 10, commit: 2 })
    node.crash()
    await expect(node.restart()).rejects.toThrow('its log ends at 0, committed is 2')
  })

  test('restarts the log at the checkpoint when the mark of an installed snapshot was lost', async () => {
    const { cluster, node } = await single()
    for (const value of ['a', 'b', 'c']) await cluster.propose(node, value)
    await cluster.time.during(node.multi.stop(GROUP))
    node.crash()
    // What a crash between flip and mark leaves: the state is ahead, the log is older.
    node.logDisk.logs
      .get(GROUP)
      ?.store({ index: 0, term: 0 }, [{ term: 1, index: 1, type: 'normal', data: new Uint8Array(0) }], {
        term: 1,
        vote: 10,
        commit: 1,
      })
    await expect(node.restart()).resolves.toBeUndefined()
    expect(node.wal.group(GROUP)?.base).toEqual({ index: 4, term: 1 })
    await cluster.leader()
    expect(await node.texts()).toEqual(['a', 'b', 'c'])
    expect(await cluster.propose(node, 'd')).toMatchObject({ type: 'applied', index: 6 })
  })

  test('begins the log at the checkpoint when nothing of it was durable before the snapshot was', async () => {
    const { cluster, node } = await single()
    for (const value of ['a', 'b', 'c']) await cluster.propose(node, value)
    await cluster.time.during(node.multi.stop(GROUP))
    node.crash()
    node.logDisk.logs.delete(GROUP)
    await expect(node.restart()).resolves.toBeUndefined()
    expect(node.wal.group(GROUP)?.base).toEqual({ index: 4, term: 1 })
    await cluster.leader()
    expect(await node.texts()).toEqual(['a', 'b', 'c'])
    expect(await cluster.propose(node, 'd')).toMatchObject({ type: 'applied', index: 6 })
  })

  test('of a running group is refused, and two at once are as well', async () => {
    const { cluster, node } = await single()
    await expect(node.start()).rejects.toThrow('it runs')
    const both = await cluster.time.during(Promise.allSettled([node.multi.stop(GROUP), node.multi.stop(GROUP)]))
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })
})

describe('a group that is removed', () => {
  test('leaves nothing, and does not come back under the same replica id', async () => {
    const { cluster, node } = await single()
    await cluster.propose(node, 'a')
    await cluster.time.during(node.multi.remove(GROUP))
    expect(node.wal.group(GROUP)).toBeUndefined()
    await expect(node.start()).rejects.toThrow('it was removed')
    const spec = { group: GROUP, replica: 11, members: [{ replica: 11, node: 1 }] }
    const handle = await cluster.time.during(node.multi.start<string, string, ListView>(spec, () => new ListView()))
    expect(await handle.view.texts(handle.reader)).toEqual([])
  })

  test('is discarded when its node is asked for a newer replica of it', async () => {
    const { cluster, node } = await single()
    await cluster.propose(node, 'a')
    node.crash()
    await node.restart(99)
    const spec = { group: GROUP, replica: 11, members: [{ replica: 11, node: 1 }] }
    await cluster.time.during(node.multi.start<string, string, ListView>(spec, () => new ListView()))
    expect(node.events).toContainEqual({ type: 'discarded', group: GROUP, replica: 10 })
    await cluster.leader()
    expect(await node.texts()).toEqual([])
  })
})

describe('a bug or a command of tomorrow', () => {
  test('in apply stops the node and saves nothing', async () => {
    const { cluster, node } = await single()
    node.handle.view.poison = 'boom'
    cluster.ask(node, 'fine', 'boom')
    await cluster.time.run(1000)
    expect(node.fatal.map(({ message }) => message)).toEqual(['a bug'])
    node.wal.lagging = [GROUP]
    await cluster.time.during(node.multi.close(), 20_000)
    expect(checkpoints(node)).toBe(0)
  })

  test('found elsewhere in the node ends it alike: it takes nothing more and saves nothing', async () => {
    const { cluster, node } = await single()
    await cluster.propose(node, 'a')
    node.multi.abandon(new Error('found elsewhere'))
    node.multi.abandon(new Error('of the same cause'))
    expect(node.fatal.map(({ message }) => message)).toEqual(['found elsewhere'])
    const outcomes: Outcome[] = []
    node.handle.propose({ at: 1, commands: [text('b')], done: (outcome) => outcomes.push(outcome) })
    expect(outcomes).toEqual([{ type: 'refused', reason: 'SHUTTING_DOWN' }])
    node.wal.lagging = [GROUP]
    await cluster.time.during(node.multi.close(), 20_000)
    expect(checkpoints(node)).toBe(0)
  })

  test('unknown to the view halts only this replica', async () => {
    const { cluster, node } = await single()
    await cluster.time.during(node.start(8))
    const told: string[] = []
    node.handle.observe({ status: ({ role }) => told.push(role), applied: () => undefined, reloaded: () => undefined })
    const asked = cluster.ask(node, 'unknown')
    await cluster.time.until(() => asked.outcomes.length > 0, 1000)
    expect(asked.outcomes).toEqual([{ type: 'unknown' }])
    expect(node.handle.status()).toMatchObject({ role: 'follower', leaderReplica: 0, ready: false })
    expect(node.fatal).toEqual([])
    expect(told).toEqual(['follower'])
    expect(node.events.some(({ type }) => type === 'halted')).toBe(true)
    await cluster.time.until(() => node.multi.handle(8)?.status().ready === true, 5000)
    const outcomes: unknown[] = []
    node.multi.handle(8)?.propose({ at: 1, commands: [text('x')], done: (outcome) => outcomes.push(outcome) })
    await cluster.time.until(() => outcomes.length > 0, 1000)
  })
})

test('whoever follows who leads here hears of a stop when it begins, and again when the replica is gone', async () => {
  const { cluster, node } = await single()
  await cluster.propose(node, 'a')
  const told: (number | undefined)[] = []
  node.multi.observe((group) => told.push(node.multi.handle(group)?.status().leaderNode))
  await cluster.time.during(node.multi.stop(GROUP), 20_000)
  expect(told).toEqual([0, undefined])
  await cluster.time.during(node.start())
  await cluster.time.until(() => node.leads, 5000)
  told.length = 0
  await cluster.time.during(node.multi.close(), 20_000)
  expect(told).toEqual([0])
})
