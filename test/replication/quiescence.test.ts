import { describe, expect, test } from 'vitest'
import { decodeFrame, encodeFrame } from '../../src/replication/frame/frame.ts'
import { Cluster, GROUP, type Node } from './cluster.ts'

const IDLE_MS = 500
const ELECTION_MS = 400
const timing = { tickMs: 50, heartbeatMs: 100, electionMs: ELECTION_MS, idleMs: IDLE_MS }
/** Three ticks: about a third of the election timeout. */
const PULSE_MS = 150
/** Silence is noticed after one election timeout, the rest of a random one goes by, and the election itself. */
const SILENT_FAILOVER_MS = 2 * ELECTION_MS + 250
/** Two timeouts until a disagreement is believed, then a whole random one. */
const ODD_FAILOVER_MS = 2 * ELECTION_MS + 2 * ELECTION_MS + 400

function sleeps(node: Node): boolean {
  return node.multi.stats().quiesced === 1
}

async function sleeping(options: { seed?: number; nodes?: number } = {}): Promise<{ cluster: Cluster; leader: Node }> {
  const cluster = await Cluster.start({ ...options, timing })
  const leader = await cluster.leader()
  await cluster.propose(leader, 'before')
  await cluster.time.until(() => cluster.nodes.every(sleeps), 3000, 'everybody to sleep')
  return { cluster, leader }
}

/** The messages of Raft, and the pulses, sent during `ms`. */
async function traffic(cluster: Cluster, ms: number): Promise<{ messages: number; pulses: number }> {
  const { sent } = cluster.network
  const from = sent.length
  await cluster.time.run(ms)
  const frames = sent.slice(from).map(({ frame }) => decodeFrame(frame))
  const messages = frames.reduce((sum, { envelopes }) => sum + envelopes.length, 0)
  return { messages, pulses: frames.filter(({ pulse }) => pulse !== undefined).length }
}

describe('an idle group', () => {
  test('sleeps: only the nodes say that they live, and everybody still knows who leads', async () => {
    const { cluster, leader } = await sleeping()
    const { term, commit } = leader.handle.status()
    const { messages, pulses } = await traffic(cluster, 100 * PULSE_MS)
    expect(messages).toBe(0)
    expect(pulses).toBe(6 * 100)
    expect(cluster.nodes.every(sleeps)).toBe(true)
    for (const node of cluster.nodes) {
      expect(node.handle.status()).toMatchObject({ term, commit, applied: commit, leaderNode: leader.id })
    }
  })

  test('hundreds of them cost one frame a pulse between two nodes, and no replica is ticked', async () => {
    const cluster = await Cluster.start({ timing })
    for (const node of cluster.nodes) for (let group = 100; group < 150; group++) await node.start(group)
    await cluster.time.until(() => cluster.nodes.every(({ multi }) => multi.stats().quiesced === 51), 10_000, 'sleep')
    expect(await traffic(cluster, 10 * PULSE_MS)).toEqual({ messages: 0, pulses: 60 })
  })

  test('takes a proposal as if it had not slept, and sleeps again', async () => {
    const { cluster, leader } = await sleeping()
    const askedMs = cluster.time.nowMs
    expect(await cluster.propose(leader, 'x')).toMatchObject({ type: 'applied' })
    expect(cluster.time.nowMs - askedMs).toBeLessThan(20)
    expect(sleeps(leader)).toBe(false)
    await cluster.time.until(() => cluster.nodes.every(sleeps), 2 * IDLE_MS, 'everybody to sleep again')
    expect(leader.handle.status().applied).toBe(leader.handle.status().commit)
  })

  test('answers a read on a follower', async () => {
    const { cluster, leader } = await sleeping()
    const [other] = cluster.others(leader)
    const outcomes: string[] = []
    other?.handle.read(({ type }) => outcomes.push(type))
    await cluster.time.until(() => outcomes.length > 0, 100, 'an answer')
    expect(outcomes).toEqual(['ok'])
  })

  test.each([0, 1, 2])(
    'gives up a read on node %i after the leader that nobody heard, and sleeps again',
    async (at) => {
      const { cluster, leader } = await sleeping()
      const asked = [leader, ...cluster.others(leader)][at] ?? leader
      // Frames of Raft are lost, the nodes go on hearing each other.
      for (const { id } of cluster.others(asked)) cluster.network.cut(asked.id, id)
      const outcomes: string[] = []
      asked.handle.read(({ type }) => outcomes.push(type))
      await cluster.time.until(() => outcomes.length > 0, 4 * ELECTION_MS, 'an answer')
      expect(outcomes).toEqual(['refused'])
      cluster.network.heal()
      await cluster.time.until(() => cluster.nodes.every(sleeps), 5000, 'everybody to sleep again')
    },
  )

  test('whose clocks go apart are judged all the same', async () => {
    const { cluster, leader } = await sleeping()
    await cluster.time.run(20_000)
    const ages = [...leader.multi.clocks().values()].map(({ ageMs }) => ageMs)
    expect(ages).toHaveLength(2)
    expect(Math.max(...ages)).toBeLessThanOrEqual(timing.heartbeatMs + timing.tickMs)
  })
})

describe('a sleeping group whose leader is gone', () => {
  test('elects another at once when the connection was refused', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { cluster, leader } = await sleeping({ seed })
      const crashedMs = cluster.time.nowMs
      leader.crash(true)
      await cluster.leader(cluster.others(leader))
      expect(cluster.time.nowMs - crashedMs).toBeLessThan(150)
    }
  })

  test('elects another after the silence of its node, no later than one that was awake', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { cluster, leader } = await sleeping({ seed })
      await cluster.time.run(seed * 130)
      leader.crash()
      await cluster.time.run(SILENT_FAILOVER_MS)
      expect(cluster.others(leader).some(({ leads }) => leads)).toBe(true)
      const next = await cluster.leader(cluster.others(leader))
      expect(await cluster.propose(next, 'after')).toMatchObject({ type: 'applied' })
    }
  })

  test('elects another when its process came back before anybody missed it', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { cluster, leader } = await sleeping({ seed })
      const { term } = leader.handle.status()
      leader.crash()
      await leader.restart()
      const crashedMs = cluster.time.nowMs
      const next = await cluster.leader()
      expect(next.handle.status().term).toBeGreaterThan(term)
      expect(cluster.time.nowMs - crashedMs).toBeLessThan(SILENT_FAILOVER_MS)
    }
  })

  test('elects another though nobody told it, when the leader’s replica was stopped on a node that lives', async () => {
    for (let seed = 1; seed <= 3; seed++) {
      const { cluster, leader } = await sleeping({ seed })
      const rest = cluster.others(leader)
      // Removal hands nothing over and says nothing.
      await cluster.time.during(leader.multi.remove(GROUP))
      await cluster.time.run(ODD_FAILOVER_MS)
      expect(rest.some(({ leads }) => leads)).toBe(true)
    }
  })

  test('elects another when nodes still talk and the leader has stepped down unheard', async () => {
    const { cluster, leader } = await sleeping()
    const { term } = leader.handle.status()
    const [other] = cluster.others(leader)
    // A message of a later term, from nobody who could follow it up.
    const message = { type: 'requestVote', from: other?.handle.replica ?? 0, to: leader.handle.replica } as const
    const zeros = { index: 0, logTerm: 0, commit: 0, entries: [], reject: false, rejectHint: 0, context: 1 }
    const envelope = { group: GROUP, message: { ...message, ...zeros, term: term + 1 } }
    cluster.network.inject(
      leader.id,
      other?.id ?? 0,
      encodeFrame({ clock: { wallMs: 0, stamp: 0 }, envelopes: [envelope] }),
    )
    await cluster.time.run(1)
    expect(leader.handle.status().role).toBe('follower')
    await cluster.time.run(ODD_FAILOVER_MS)
    expect((await cluster.leader()).handle.status().term).toBeGreaterThan(term)
  })
})

test.each(['both ways', 'towards it', 'from it'])(
  'a broken link to one follower, %s, deposes no leader',
  async (way) => {
    for (let seed = 1; seed <= 10; seed++) {
      const { cluster, leader } = await sleeping({ seed })
      const { term } = leader.handle.status()
      const cutOff = cluster.others(leader)[seed % 2] ?? leader
      if (way !== 'from it') cluster.network.cut(leader.id, cutOff.id)
      if (way !== 'towards it') cluster.network.cut(cutOff.id, leader.id)
      await cluster.time.run(20 * ELECTION_MS)
      expect([leader.leads, leader.handle.status().term]).toEqual([true, term])
      expect(await cluster.propose(leader, 'on')).toMatchObject({ type: 'applied' })
      cluster.network.heal()
      await cluster.time.run(20 * ELECTION_MS)
      expect([leader.leads, leader.handle.status().term]).toEqual([true, term])
      expect(cluster.nodes.every(sleeps)).toBe(true)
    }
  },
)

test('a follower that is put to sleep by another leader in the turn in which it woke relies on that one', async () => {
  const { cluster, leader } = await sleeping()
  const [follower, next] = cluster.others(leader)
  if (follower === undefined || next === undefined) throw new Error('no other node')
  const { term, commit } = follower.handle.status()
  const fields = { term: term + 1, index: commit, logTerm: term, commit, rejectHint: 0, context: 0 }
  const to = { from: next.handle.replica, to: follower.handle.replica, reject: false, entries: [] }
  const envelope = { group: GROUP, message: { type: 'quiesce', ...to, ...fields } } as const
  cluster.network.inject(follower.id, next.id, encodeFrame({ clock: { wallMs: 0, stamp: 0 }, envelopes: [envelope] }))
  const from = cluster.network.sent.length
  await cluster.time.run(PULSE_MS)
  expect(sleeps(follower)).toBe(true)
  const pulses = cluster.network.sent.slice(from).filter((frame) => frame.from === follower.id)
  const followed = pulses.map(({ to, frame }) => [to, decodeFrame(frame).pulse?.followed.count])
  expect(followed.sort()).toEqual([leader, next].map(({ id }) => [id, id === next.id ? 1 : 0]).sort())
})

describe('a sleeping leader', () => {
  test('cut off from the majority steps down as if it had been awake', async () => {
    const { cluster, leader } = await sleeping()
    const rest = cluster.others(leader)
    cluster.network.isolate(
      leader.id,
      rest.map(({ id }) => id),
    )
    const cutMs = cluster.time.nowMs
    await cluster.time.until(() => leader.handle.status().role === 'follower', 2 * ELECTION_MS + 200, 'it to step down')
    expect(cluster.time.nowMs - cutMs).toBeGreaterThan(ELECTION_MS)
    await cluster.leader(rest)
  })

  test('that missed an election hears of it when it is heard again', async () => {
    const { cluster, leader } = await sleeping()
    const rest = cluster.others(leader)
    cluster.network.isolate(
      leader.id,
      rest.map(({ id }) => id),
    )
    const next = await cluster.leader(rest)
    cluster.network.heal()
    await cluster.time.until(() => leader.handle.status().leaderNode === next.id, 1000, 'it to follow')
  })

  test('hands over in sleep when its node leaves', async () => {
    const { cluster, leader } = await sleeping()
    const closed = leader.multi.close()
    const next = await cluster.leader(cluster.others(leader))
    await cluster.time.during(closed)
    expect(await cluster.propose(next, 'after')).toMatchObject({ type: 'applied' })
  })

  test.each([true, false])(
    'does not wake for a follower that is gone (noticed: %s), but for its return',
    async (noticed) => {
      const { cluster, leader } = await sleeping()
      const [away, other] = cluster.others(leader)
      if (away === undefined || other === undefined) throw new Error('no other node')
      away.crash(noticed)
      await cluster.time.run(3000)
      expect([leader, other].every(sleeps)).toBe(true)
      await away.restart()
      await cluster.time.run(2 * timing.tickMs)
      expect(away.handle.status().leaderNode).toBe(leader.id)
      await cluster.time.until(() => cluster.nodes.every(sleeps), 3000, 'everybody to sleep')
      expect(await away.texts()).toEqual(['before'])
    },
  )

  test('stays awake after a proposal that a silent follower lacks, and sleeps once it is back', async () => {
    const { cluster, leader } = await sleeping()
    const [away] = cluster.others(leader)
    away?.crash()
    await cluster.propose(leader, 'missed')
    await cluster.time.run(3000)
    expect(sleeps(leader)).toBe(false)
    expect(leader.leads).toBe(true)
    await away?.restart()
    await cluster.time.until(() => cluster.nodes.every(sleeps), 3000, 'everybody to sleep')
    expect(await away?.texts()).toEqual(['before', 'missed'])
  })
})

describe('a sleeping replica whose state turns out damaged', () => {
  test.each(['follower', 'leader'])('is healed: a %s', async (role) => {
    const { cluster, leader } = await sleeping()
    const node = role === 'leader' ? leader : cluster.others(leader)[0]
    if (node === undefined) throw new Error('no other node')
    node.breakReads('a block is damaged')
    await expect(node.texts()).rejects.toThrow('a block is damaged')
    await cluster.time.run(3000)
    expect(node.events.filter(({ type }) => type === 'snapshotInstalled')).toHaveLength(1)
    await cluster.time.until(() => cluster.nodes.every(sleeps), 5000, 'everybody to sleep again')
    expect(await node.texts()).toEqual(['before'])
  })
})

describe('a node that comes back among sleepers', () => {
  test('learns who leads with the next heartbeat', async () => {
    const { cluster, leader } = await sleeping()
    const [away] = cluster.others(leader)
    if (away === undefined) throw new Error('no other node')
    away.crash()
    await away.restart()
    const backMs = cluster.time.nowMs
    await cluster.time.until(() => away.handle.status().leaderNode === leader.id, 2000, 'the leader to be known')
    expect(cluster.time.nowMs - backMs).toBeLessThanOrEqual(2 * timing.tickMs)
  })

  test('is healed though its state was lost and its call as well: it never stands for election', async () => {
    const limits = { checkpointBytes: 2000, walRetainBytes: 500, snapshotChunkBytes: 2000 }
    const cluster = await Cluster.start({ timing, limits })
    const leader = await cluster.leader()
    // So much that the log no longer has its beginning, from which a state could be made anew.
    const values = Array.from({ length: 20 }, (_, i) => `${i}`.padEnd(500, '.'))
    for (const value of values) await cluster.propose(leader, value)
    await cluster.time.until(() => cluster.nodes.every(sleeps), 5000, 'everybody to sleep')
    const [away] = cluster.others(leader)
    if (away === undefined) throw new Error('no other node')
    away.crash()
    away.breakState('damaged')
    for (const { id } of cluster.others(away)) cluster.network.cut(away.id, id)
    await away.restart()
    await cluster.time.run(10)
    cluster.network.heal()
    expect(away.handle.status().applied).toBe(0)
    await cluster.time.run(ODD_FAILOVER_MS)
    expect(away.handle.status().leaderNode).toBe(leader.id)
    await cluster.time.until(() => cluster.nodes.every(sleeps), 5000, 'everybody to sleep')
    expect(await away.texts()).toEqual(values)
  })

  test('learns it though its call is lost', async () => {
    const { cluster, leader } = await sleeping()
    const [away] = cluster.others(leader)
    if (away === undefined) throw new Error('no other node')
    away.crash()
    for (const { id } of cluster.others(away)) cluster.network.cut(away.id, id)
    await away.restart()
    await cluster.time.run(10)
    cluster.network.heal()
    const backMs = cluster.time.nowMs
    await cluster.time.until(() => away.handle.status().leaderNode === leader.id, 2000, 'the leader to be known')
    expect(cluster.time.nowMs - backMs).toBeLessThan(SILENT_FAILOVER_MS)
  })
})
