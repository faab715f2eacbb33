/** A process that stood still while the others went on, and one that only it took for long. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { ReadOutcome } from '../../src/replication/group.ts'
import { DEFAULT_TIMING } from '../../src/replication/options.ts'
import { Cluster, type Node } from './cluster.ts'

const LONG_MS = 5000
/** Longer than between two heartbeats, and too short for an election. */
const WITHIN_TIMEOUT_MS = 300

let cluster: Cluster
let leader: Node
/** What it applied while it believed to lead. */
let led: number[]

beforeEach(async () => {
  cluster = await Cluster.start({ timing: { idleMs: 0 } })
  leader = await cluster.leader()
  await cluster.propose(leader, 'a')
  await cluster.settled()
  led = []
  const { handle } = leader
  handle.observe({
    status: () => undefined,
    applied: (_effects, _at, index) => void (handle.status().role === 'leader' && led.push(index)),
    reloaded: () => undefined,
  })
})

/** Stops the leader when the answers to what it asked are on their way to it, or lie in its sockets. */
async function stopBehindAnswers(): Promise<void> {
  await cluster.time.run(1)
  leader.env.pause()
  await cluster.time.run(10)
}

function read(node: Node): ReadOutcome[] {
  const outcomes: ReadOutcome[] = []
  node.handle.read((outcome) => outcomes.push(outcome))
  return outcomes
}

/** From the others to the leader; what it says still arrives. */
function deafen(): void {
  for (const { id } of cluster.others(leader)) cluster.network.cut(id, leader.id)
}

describe('a leader that stood still while another was elected', () => {
  test('applies nothing as a leader of what was acknowledged before, and steps down, though it hears nothing of the other', async () => {
    const asked = cluster.ask(leader, 'b')
    await stopBehindAnswers()
    deafen()
    const next = await cluster.leader(cluster.others(leader))
    await cluster.time.run(LONG_MS)
    leader.env.resume()
    await cluster.time.until(() => !leader.leads, 1000, 'it to step down')
    expect(led).toEqual([])
    // It is committed, and told as soon as it is no leader's word any more.
    await cluster.time.until(() => asked.outcomes.length > 0, 100, 'an answer')
    expect(led).toEqual([])
    cluster.network.heal()
    await cluster.propose(next, 'c')
    await cluster.settled()
    expect(await leader.texts()).toEqual(['a', 'b', 'c'])
  })

  test('answers no read from before, though its round was answered', async () => {
    const outcomes = read(leader)
    await stopBehindAnswers()
    deafen()
    await cluster.leader(cluster.others(leader))
    await cluster.time.run(LONG_MS)
    leader.env.resume()
    await cluster.time.until(() => outcomes.length > 0, 2000, 'an answer')
    expect(outcomes).toEqual([{ type: 'refused', reason: 'NOT_LEADER' }])
  })

  test('answers no read from before a far shorter stall, if it had told that other to run', async () => {
    const outcomes = read(leader)
    const [heir] = cluster.others(leader)
    if (heir === undefined) throw new Error('no heir')
    leader.handle.transferLeadership(heir.handle.replica)
    cluster.network.cut(heir.id, leader.id)
    await stopBehindAnswers()
    deafen()
    await cluster.leader([heir])
    await cluster.time.run(2 * DEFAULT_TIMING.tickMs)
    leader.env.resume()
    await cluster.time.until(() => outcomes.length > 0, 2000, 'an answer')
    expect([led, outcomes]).toEqual([[], [{ type: 'refused', reason: 'NOT_LEADER' }]])
  })

  test('hears of the other first, if that lies in its sockets', async () => {
    const outcomes = read(leader)
    const asked = cluster.ask(leader, 'b')
    await stopBehindAnswers()
    const next = await cluster.leader(cluster.others(leader))
    await cluster.time.run(LONG_MS)
    cluster.network.sent.length = 0
    leader.env.resume()
    await cluster.time.until(() => outcomes.length > 0 && asked.outcomes.length > 0, 10, 'answers')
    expect([led, outcomes]).toEqual([[], [{ type: 'refused', reason: 'NOT_LEADER' }]])
    expect(leader.handle.status().leaderNode).toBe(next.id)
  })
})

describe('a leader that stands still again and again, for longer than a round takes', () => {
  test('answers its reads in the end: that no quorum was heard of in time', async () => {
    const outcomes = read(leader)
    for (let i = 0; i < 50 && outcomes.length === 0; i++) {
      leader.env.pause()
      await cluster.time.run(350)
      leader.env.resume()
      await cluster.time.run(0.5)
    }
    expect([leader.leads, outcomes]).toEqual([true, [{ type: 'refused', reason: 'NO_QUORUM' }]])
    await cluster.time.run(LONG_MS)
    const later = read(leader)
    await cluster.time.until(() => later.length > 0, 100, 'an answer')
    expect(later).toEqual([{ type: 'ok' }])
  })
})

describe('who stood still and missed nothing', () => {
  test('goes on as leader after one round', async () => {
    const others = cluster.others(leader)
    const { term } = leader.handle.status()
    const outcomes = read(leader)
    const asked = cluster.ask(leader, 'b')
    await stopBehindAnswers()
    // All of them: nobody could elect another.
    for (const { env } of others) env.pause()
    await cluster.time.run(LONG_MS)
    for (const { env } of cluster.nodes) env.resume()
    await cluster.time.until(() => outcomes.length > 0 && asked.outcomes.length > 0, 50, 'answers')
    expect([outcomes, asked.outcomes]).toMatchObject([[{ type: 'ok' }], [{ type: 'applied' }]])
    await cluster.time.run(LONG_MS)
    expect(leader.handle.status()).toMatchObject({ role: 'leader', term })
  })

  test('stands for no election as a follower whose leader has spoken meanwhile', async () => {
    const { term } = leader.handle.status()
    const [follower] = cluster.others(leader)
    if (follower === undefined) throw new Error('no follower')
    follower.env.pause()
    await cluster.time.run(LONG_MS)
    cluster.network.sent.length = 0
    follower.env.resume()
    await cluster.time.run(LONG_MS)
    expect(leader.handle.status()).toMatchObject({ role: 'leader', term })
    expect(follower.events.filter(({ type }) => type === 'role').at(-1)).toMatchObject({ role: 'follower', term })
  })

  test('counts as silence of its leader what came before the word that it read, not what came after', async () => {
    const [follower] = cluster.others(leader)
    if (follower === undefined) throw new Error('no follower')
    const seen = { ...leader.handle.status() }
    for (const socketsFirst of [false, true]) {
      follower.env.pause()
      await cluster.time.run(LONG_MS)
      follower.env.resume(socketsFirst)
      await cluster.time.run(1)
      cluster.network.cut(leader.id, follower.id)
      await cluster.time.run(WITHIN_TIMEOUT_MS)
      expect(follower.handle.status()).toMatchObject({ role: 'follower', term: seen.term, leaderNode: leader.id })
      cluster.network.heal()
      await cluster.time.run(LONG_MS)
    }
  })

  test('gives a read that is asked for long after a stall its own time', async () => {
    const [follower] = cluster.others(leader)
    if (follower === undefined) throw new Error('no follower')
    follower.env.pause()
    await cluster.time.run(LONG_MS)
    follower.env.resume()
    await cluster.time.run(LONG_MS)
    cluster.network.cut(follower.id, leader.id)
    const outcomes = read(follower)
    await cluster.time.run(WITHIN_TIMEOUT_MS)
    expect(outcomes).toEqual([])
    await cluster.time.until(() => outcomes.length > 0, LONG_MS, 'an answer')
    expect(outcomes).toEqual([{ type: 'refused', reason: 'NO_QUORUM' }])
  })

  test('elects within two election timeouts and a heartbeat if its leader died meanwhile', async () => {
    const others = cluster.others(leader)
    for (const { env } of others) env.pause()
    leader.crash()
    await cluster.time.run(LONG_MS)
    for (const { env } of others) env.resume()
    await cluster.time.until(() => others.some(({ leads }) => leads), 1000, 'another leader')
  })
})
