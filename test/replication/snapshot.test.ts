import { describe, expect, test } from 'vitest'
import { Cluster, GROUP, type Node } from './cluster.ts'

const long = (i: number) => `${i}-${'x'.repeat(500)}`
const LIMITS = { checkpointBytes: 4000, walRetainBytes: 1000, snapshotChunkBytes: 2000 }

/** A follower that was away while the leader released the log it needs. */
async function behind(seed = 1): Promise<{ cluster: Cluster; leader: Node; follower: Node; values: string[] }> {
  const cluster = await Cluster.start({ seed, limits: LIMITS })
  const leader = await cluster.leader()
  const [follower] = cluster.others(leader)
  if (follower === undefined) throw new Error('no follower')
  await cluster.propose(leader, 'first')
  await cluster.time.run(200)
  follower.crash()
  const values = ['first']
  for (let i = 0; i < 60; i++) {
    values.push(long(i))
    await cluster.propose(leader, long(i))
  }
  await cluster.time.run(200)
  expect(leader.wal.group(GROUP)?.firstIndex()).toBeGreaterThan(10)
  return { cluster, leader, follower, values }
}

const installed = (node: Node) => node.events.filter(({ type }) => type === 'snapshotInstalled').length

describe('a follower behind the log', () => {
  test('gets a snapshot and then the log behind it', async () => {
    const { cluster, leader, follower, values } = await behind()
    await follower.restart()
    let reloads = 0
    follower.handle.observe({ status: () => undefined, applied: () => undefined, reloaded: () => void reloads++ })
    await cluster.settled()
    expect(installed(follower)).toBe(1)
    expect(reloads).toBe(1)
    expect(await follower.texts()).toEqual(values)
    expect(follower.handle.status().lastAt).toBe(leader.handle.status().lastAt)
    expect(leader.events.some(({ type }) => type === 'snapshotSent')).toBe(true)
    await cluster.propose(leader, 'after')
    await cluster.settled()
    expect(await follower.texts()).toEqual([...values, 'after'])
  })

  test('still has it after a crash right behind the install', async () => {
    const { cluster, follower, values } = await behind()
    await follower.restart()
    await cluster.time.until(() => installed(follower) === 1, 10_000)
    follower.crash()
    await follower.restart()
    await cluster.settled()
    expect(await follower.texts()).toEqual(values)
  })

  test('that crashes at any moment of the install comes back and catches up', async () => {
    for (let step = 0; step < 24; step++) {
      const { cluster, follower, values } = await behind(step)
      await follower.restart()
      let chunks = 0
      cluster.network.onChunk = () => {
        chunks++
      }
      await cluster.time.until(() => chunks >= 1, 10_000)
      // Most of the install lies in the milliseconds behind the last chunk.
      await cluster.time.run(step * 1.5)
      follower.crash()
      await cluster.time.run(50)
      await follower.restart()
      await cluster.settled()
      expect(await follower.texts()).toEqual(values)
      expect(follower.fatal).toEqual([])
    }
  })

  test('gets it again when the first one broke midway', async () => {
    const { cluster, leader, follower, values } = await behind()
    let broken = 0
    cluster.network.onChunk = () => {
      if (++broken === 3) throw new Error('cut')
    }
    await follower.restart()
    await cluster.settled()
    expect(broken).toBeGreaterThan(3)
    expect(leader.events.some(({ type }) => type === 'snapshotFailed')).toBe(true)
    expect(await follower.texts()).toEqual(values)
  })

  test('is offered one that it refuses ever more rarely, and gets it once it does not', async () => {
    const { cluster, leader, follower, values } = await behind()
    let refused = 0
    cluster.network.onChunk = () => {
      refused++
      throw new Error('refused')
    }
    await follower.restart()
    await cluster.time.until(() => refused > 1, 5000)
    const before = refused
    await cluster.time.run(20_000)
    expect(refused - before).toBeGreaterThan(1)
    expect(refused - before).toBeLessThan(6)
    expect(leader.leads).toBe(true)
    cluster.network.onChunk = () => undefined
    await cluster.time.until(() => follower.handle.status().applied >= leader.handle.status().applied, 40_000)
    expect(await follower.texts()).toEqual(values)
  })

  test('votes and answers heartbeats while it installs', async () => {
    const { cluster, leader, follower } = await behind()
    await follower.restart()
    await cluster.time.until(() => leader.handle.status().match.get(follower.handle.replica) !== undefined, 5000)
    const [other] = cluster.others(leader).filter((node) => node !== follower)
    other?.crash()
    await cluster.settled([leader, follower])
    expect(leader.leads).toBe(true)
  })

  test('is sent to at a bounded rate', async () => {
    const cluster = await Cluster.start({ limits: { ...LIMITS, snapshotBytesPerSecond: 10_000 } })
    const leader = await cluster.leader()
    const [follower] = cluster.others(leader)
    if (follower === undefined) throw new Error('no follower')
    follower.crash()
    for (let i = 0; i < 60; i++) await cluster.propose(leader, long(i))
    const startedMs = cluster.time.nowMs
    await follower.restart()
    await cluster.settled()
    expect(cluster.time.nowMs - startedMs).toBeGreaterThan(2000)
    expect(cluster.time.nowMs - startedMs).toBeLessThan(8000)
  })
})

test('one that begins in the very moment in which another is read whole takes its place, or is refused', async () => {
  for (let hops = 0; hops < 12; hops++) {
    const { cluster, follower, values } = await behind()
    await follower.restart()
    const receive = follower.multi.snapshot.bind(follower.multi)
    const none: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }),
    }
    let another: () => Promise<void> = () => Promise.resolve()
    follower.multi.snapshot = (...first) => {
      follower.multi.snapshot = receive
      another = () => receive(first[0], first[1], none)
      return receive(...first)
    }
    const { view } = follower.handle
    const load = view.load.bind(view)
    let others = 0
    const hop = (left: number): void => {
      if (left > 0) queueMicrotask(() => hop(left - 1))
      else if (others++ === 0) another().catch(() => undefined)
    }
    view.load = async (...of) => {
      const adopt = await load(...of)
      hop(hops)
      return adopt
    }
    await cluster.time.until(
      () => follower.handle.status().applied > values.length || follower.fatal.length > 0,
      30_000,
    )
    expect(follower.fatal).toEqual([])
    expect(others).toBeGreaterThan(0)
    expect(await follower.texts()).toEqual(values)
  }
})

test('a bug behind the step of a snapshot ends the node, as behind that of any other message', async () => {
  const { cluster, follower } = await behind()
  const others = cluster.others(follower).map(({ id }) => id)
  const sent: { from: number; header: Uint8Array; chunks: Uint8Array[] }[] = []
  await follower.restart()
  follower.multi.snapshot = async (from, header, chunks) => {
    const all: Uint8Array[] = []
    for await (const chunk of chunks) all.push(Uint8Array.from(chunk))
    sent.push({ from, header: Uint8Array.from(header), chunks: all })
    throw new Error('cut')
  }
  await cluster.time.until(() => sent.length > 0, 10_000)
  follower.crash()
  cluster.network.isolate(follower.id, others)
  await follower.restart()
  // That there is a leader is news.
  const status = ({ leaderReplica }: { readonly leaderReplica: number }) => {
    if (leaderReplica !== 0) throw new Error('a bug')
  }
  follower.handle.observe({ status, applied: () => undefined, reloaded: () => undefined })
  const [{ from, header, chunks } = { from: 0, header: new Uint8Array(0), chunks: [] }] = sent
  const again = async function* () {
    yield* chunks
  }
  await expect(cluster.time.during(follower.multi.snapshot(from, header, again()))).rejects.toThrow('a bug')
  expect(follower.fatal.map(({ message }) => message)).toEqual(['a bug'])
})

test('a proposal that a snapshot passes is unknown', async () => {
  const cluster = await Cluster.start({ limits: LIMITS })
  const old = await cluster.leader()
  const rest = cluster.others(old)
  await cluster.time.run(500)
  cluster.network.isolate(
    old.id,
    rest.map(({ id }) => id),
  )
  const lost = cluster.ask(old, 'lost')
  const leader = await cluster.leader(rest)
  for (let i = 0; i < 60; i++) await cluster.propose(leader, long(i))
  cluster.network.heal()
  await cluster.settled()
  expect(lost.outcomes).toEqual([{ type: 'unknown' }])
  expect(installed(old)).toBe(1)
  expect(await old.texts()).toEqual(Array.from({ length: 60 }, (_, i) => long(i)))
})

test('a proposal that is committed but not applied when a snapshot passes it is unknown', async () => {
  const cluster = await Cluster.start({ limits: LIMITS })
  const old = await cluster.leader()
  const rest = cluster.others(old)
  await cluster.time.run(500)
  let busy: Promise<void> | undefined = new Promise(() => undefined)
  old.state.ready = () => busy
  const passed = cluster.ask(old, 'committed')
  await cluster.time.run(100)
  cluster.network.isolate(
    old.id,
    rest.map(({ id }) => id),
  )
  const leader = await cluster.leader(rest)
  for (let i = 0; i < 60; i++) await cluster.propose(leader, long(i))
  expect(passed.outcomes).toEqual([])
  cluster.network.heal()
  await cluster.time.until(() => installed(old) === 1)
  busy = undefined
  expect(passed.outcomes).toEqual([{ type: 'unknown' }])
})

test('a snapshot for a group or replica that is not here is refused', async () => {
  const { encodeSnapshotHeader } = await import('../../src/replication/frame/frame.ts')
  const cluster = await Cluster.start()
  const node = cluster.node(1)
  const confState = { voters: [10], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false }
  const message = {
    ...{ type: 'installSnapshot' as const, from: 20, to: 999, term: 1, index: 0, logTerm: 0, commit: 0 },
    ...{ entries: [], reject: false, rejectHint: 0, context: 0, snapshot: { index: 5, term: 1, confState } },
  }
  const header = encodeSnapshotHeader({ lastAt: 0, group: GROUP, message })
  await expect(node.multi.snapshot(2, header, none())).rejects.toThrow('is not here')
  await expect(node.multi.snapshot(2, header.subarray(0, 9), none())).rejects.toThrow('the checksum differs')
})

async function* none(): AsyncGenerator<Uint8Array> {
  yield* []
}
