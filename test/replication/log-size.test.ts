/** The bound on the log's files in docs/formats.md, "Size of the log", held by the real log and the real replication. */
import { describe, expect, test } from 'vitest'
import type { GroupId } from '../../src/base/ids.ts'
import { createBroker } from '../../src/broker/broker.ts'
import type { GroupHandle } from '../../src/replication/group.ts'
import type { TimerEffect, TimerReply } from '../../src/views/timer/commands.ts'
import { createTimerView, type TimerView } from '../../src/views/timer/timer-view.ts'
import { FakeDirectory, PARTITION } from '../broker/fake-directory.ts'
import { Consumer } from '../broker/harness.ts'
import type { LoggedSettings } from './logged-node.ts'
import { LoggedWorld } from './logged-world.ts'

const KIB = 1024
const DAY_MS = 24 * 3600 * 1000
/** Between two messages of the day. */
const STEP_MS = 180_000
const BUSY: GroupId = 9000

describe('the log on disk stays within its bound', { timeout: 120_000 }, () => {
  test('for a day of steady load, the first message of which nobody acknowledges', async () => {
    const settings: LoggedSettings = {
      ...{ segmentBytes: 32 * KIB, retainBytes: 128 * KIB, checkpointMs: 20 },
      timing: { tickMs: 10_000, heartbeatMs: 20_000, electionMs: 60_000 },
    }
    const world = new LoggedWorld(3, settings)
    await world.boot()
    const members = world.nodes.map(({ id }) => ({ replica: id, node: id }))
    const handles: GroupHandle<TimerReply, TimerEffect, TimerView>[] = []
    for (const node of world.nodes) {
      const spec = { group: PARTITION.group, replica: node.id, members }
      handles.push(await world.time.during(node.start(spec, createTimerView)))
    }
    const leader = await world.leader(PARTITION.group)
    const handle = handles[leader.id - 1]
    if (handle === undefined) throw new Error('no handle')
    const broker = createBroker({
      ...{ env: leader.env, directory: new FakeDirectory() },
      config: { leaseMs: 30_000, reattachMs: 5000, maxClockSkewMs: 2000 },
      onEvent: () => undefined,
    })
    broker.attachGroup(PARTITION, handle)
    const [partition] = broker.partitions()
    if (partition === undefined) throw new Error('no partition')
    const forgetful = new Consumer(partition, 'forgetful', { leaseMs: Number.POSITIVE_INFINITY, credit: 1 }, false)
    const produce = () => {
      const messages = [{ channel: 'master', body: Buffer.alloc(8 * KIB, 'x') }]
      return new Promise((resolve) => partition.produce({ type: 'produce', messages }, resolve))
    }
    await world.time.during(produce())
    await world.time.until(() => forgetful.got.length === 1)
    const worker = new Consumer(partition, 'worker', { leaseMs: 3600_000 }, true)
    const startMs = world.time.nowMs
    let stored = 0
    while (world.time.nowMs - startMs < DAY_MS) {
      void produce().then(() => stored++)
      await world.time.run(STEP_MS)
    }
    expect(stored).toBeGreaterThanOrEqual(DAY_MS / STEP_MS)
    expect(worker.got).toHaveLength(stored)
    expect(forgetful.ended).toBeUndefined()
    expect(leader.logged.at(-1)?.bytes).toBeGreaterThan(25 * settings.retainBytes)
    world.expectBound(1, 10_000)
  })

  test('with a follower that is dead: its log is kept up to the bound, then it gets a snapshot', async () => {
    const settings: LoggedSettings = {
      ...{ segmentBytes: 32 * KIB, retainBytes: 256 * KIB, checkpointMs: 20 },
      limits: { checkpointBytes: 64 * KIB },
    }
    const world = new LoggedWorld(3, settings)
    await world.boot()
    await world.time.during(world.start(BUSY))
    const leader = await world.leader(BUSY)
    const [follower] = world.nodes.filter((node) => node !== leader)
    if (follower === undefined) throw new Error('no follower')
    const writeMore = async (bytes: number) => {
      const until = (leader.logged.at(-1)?.bytes ?? 0) + bytes
      while ((leader.logged.at(-1)?.bytes ?? 0) < until) {
        expect(await world.propose(leader, BUSY, 2000)).toBe('applied')
        await world.time.run(20)
      }
    }
    await writeMore(20_000)
    follower.kill()
    const had = leader.multi.handle(BUSY)?.status().commit ?? 0
    await writeMore(settings.retainBytes / 2)
    expect(leader.checkpoints(BUSY)).toBeGreaterThan(0)
    expect(leader.wal.group(BUSY)?.firstIndex()).toBeLessThanOrEqual(had + 1)
    await writeMore(8 * settings.retainBytes)
    expect(leader.wal.group(BUSY)?.firstIndex()).toBeGreaterThan(had + 1)
    const handle = await world.restart(follower, BUSY)
    await writeMore(settings.retainBytes)
    expect(follower.events.filter(({ type }) => type === 'snapshotInstalled')).toHaveLength(1)
    const { commit } = leader.multi.handle(BUSY)?.status() ?? { commit: 0 }
    await world.time.until(() => handle.status().applied >= commit)
    world.expectBound(1, 1000)
  })

  test('with a thousand quiet partitions, each of which is checkpointed at most once for it', async () => {
    const quiet = Array.from({ length: 1000 }, (_, i) => i + 1)
    const settings: LoggedSettings = {
      ...{ segmentBytes: 512 * KIB, retainBytes: 2048 * KIB, checkpointMs: 5 },
      timing: { tickMs: 500, heartbeatMs: 1000, electionMs: 4000 },
      limits: { checkpointBytes: 256 * KIB },
    }
    const world = new LoggedWorld(2, settings)
    await world.boot()
    await world.time.during(Promise.all([...quiet, BUSY].map((group) => world.start(group))))
    const [leader] = world.nodes
    if (leader === undefined) throw new Error('no node')
    const leads = (group: GroupId) => leader.multi.handle(group)?.status().ready === true
    await world.time.until(() => [...quiet, BUSY].every(leads))
    for (let at = 0; at < quiet.length; at += 50) {
      const some = quiet.slice(at, at + 50).map((group) => world.ask(leader, group, 1000))
      expect(new Set(await world.time.during(Promise.all(some)))).toEqual(new Set(['applied']))
    }
    await world.time.until(
      () => world.nodes.every(({ multi }) => multi.stats().quiesced > quiet.length),
      60_000,
      'sleep',
    )
    const held = leader.wal.stats().bytes
    expect(held).toBeGreaterThan(1000 * KIB)
    while ((leader.logged.at(-1)?.bytes ?? 0) < held + 6 * settings.retainBytes) {
      expect(await world.propose(leader, BUSY, 32 * KIB)).toBe('applied')
      await world.time.run(50)
    }
    for (const node of world.nodes) {
      // Nobody woke for it.
      expect(node.multi.stats().quiesced).toBeGreaterThanOrEqual(quiet.length)
      // A few need none: what they had in the segment that went was copied.
      const counts = quiet.map((group) => node.checkpoints(group))
      expect(counts.filter((count) => count > 1)).toEqual([])
      expect(counts.filter((count) => count === 1).length).toBeGreaterThan(900)
    }
    world.expectBound(1001, 1000)
  })

  test('with a partition that has no quorum and holds what it cannot commit', async () => {
    const settings: LoggedSettings = {
      ...{ segmentBytes: 32 * KIB, retainBytes: 64 * KIB, checkpointMs: 20 },
      limits: { checkpointBytes: 32 * KIB },
    }
    const world = new LoggedWorld(3, settings)
    await world.boot()
    const [node, ...others] = world.nodes
    if (node === undefined) throw new Error('no node')
    await world.time.during(Promise.all([world.start(1), world.start(BUSY, [node])]))
    expect(await world.leader(1)).toBe(node)
    await world.leader(BUSY)
    for (const other of others) other.kill()
    const left = Promise.all(Array.from({ length: 30 }, () => world.ask(node, 1, 1000)))
    for (let i = 0; i < 600; i++) {
      expect(await world.propose(node, BUSY, 2000)).toBe('applied')
      await world.time.run(20)
    }
    expect(new Set(await left)).toEqual(new Set(['unknown']))
    const log = node.wal.group(1)
    expect(log?.lastIndex()).toBe(31)
    const uncovered = (log?.bytesFrom(1) ?? 0) + 2 * settings.segmentBytes
    expect(node.logged.at(-1)?.bytes).toBeGreaterThan(1_200_000)
    world.expectBound(2, 1000, uncovered)
  })
})
