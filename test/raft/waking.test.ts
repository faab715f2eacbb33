import { describe, expect, test } from 'vitest'
import { bytes, messageOf } from './harness/entries.ts'
import { asleep, ELECTION, IDLE, options, sleeping } from './harness/sleeping.ts'

describe('what wakes a sleeping group', () => {
  test('a proposal, which is committed as if nobody had slept', () => {
    const net = sleeping()
    expect(net.propose(1, 'x')).toEqual({ term: 1, index: 2 })
    expect(asleep(net)).toEqual([])
    expect([1, 2, 3].map((id) => net.node(id).log.list.length)).toEqual([2, 2, 2])
    expect(net.node(1).commit).toBe(2)
  })

  test('a read on a follower', () => {
    const net = sleeping()
    expect(net.node(2).raft.readIndex(77)).toBe(true)
    net.run()
    expect(net.node(2).readStates).toEqual([{ index: 1, context: 77 }])
    expect(asleep(net)).toEqual([])
  })

  test('a read on the leader, which asks a quorum before it answers', () => {
    const net = sleeping()
    net.isolate(1)
    expect(net.node(1).raft.readIndex(77)).toBe(true)
    net.run()
    net.ticks(1, 2)
    expect(net.node(1).readStates).toEqual([])
    net.heal()
    net.ticks(1, 1)
    expect(net.node(1).readStates).toEqual([{ index: 1, context: 77 }])
    expect(asleep(net)).toEqual([])
  })

  test('a change of membership', () => {
    const net = sleeping()
    net
      .node(1)
      .raft.proposeConfChange({ transition: 'auto', changes: [{ type: 'addLearner', replica: 4 }], context: bytes('') })
    net.run()
    expect(asleep(net)).toEqual([])
    net.ticks(1, 3 * IDLE)
    // The new one has nothing yet.
    expect(asleep(net)).toEqual([])
  })

  test('a transfer of leadership', () => {
    const net = sleeping()
    net.node(1).raft.transferLeadership(3)
    net.run()
    expect(net.node(3).role).toBe('leader')
    expect(asleep(net)).toEqual([])
  })

  test('the pre-vote of a member that missed the sleep: it is refused, and the next tick brings its leader back', () => {
    const net = sleeping()
    net.restart(3, options())
    net.ticks(3, ELECTION)
    expect(asleep(net)).toEqual([])
    expect(net.node(3).leader).toBe(0)
    net.ticks(1, 1)
    expect(net.node(3).leader).toBe(1)
    expect(net.node(1).term).toBe(1)
  })

  test('the call of a member that has just started, a learner too', () => {
    const net = sleeping()
    net.restart(3, options()).raft.rouse()
    net.run()
    expect(asleep(net)).toEqual([])
    net.ticks(1, 1)
    expect(net.node(3).leader).toBe(1)
  })

  test('its leader, deposed without a word, does not keep the others asleep', () => {
    const net = sleeping(ELECTION)
    net.isolate(1)
    // The host saw that the node of replica 1 is silent.
    for (const id of [2, 3]) net.node(id).raft.wake()
    net.ticks(2, 1)
    expect(net.node(2).role).toBe('leader')
    net.heal()
    net.ticks(2, 1)
    expect(net.node(1).raft.status()).toMatchObject({ role: 'follower', leader: 2 })
  })

  test('its state, found damaged: a follower calls its leader, whose heartbeats it asks for a snapshot', () => {
    const net = sleeping()
    net.ignore('installSnapshot')
    expect(net.node(3).raft.loseState()).toBe(true)
    net.run()
    expect(asleep(net)).toEqual([2])
    net.ticks(1, 2)
    expect(asleep(net)).toEqual([])
    expect(net.node(1).raft.progress()).toMatchObject([{}, { stateLost: false }, { stateLost: true }])
  })

  test('its leader’s state, found damaged: another leads at once', () => {
    const net = sleeping()
    expect(net.node(1).raft.loseState()).toBe(true)
    net.run()
    expect([2, 3].map((id) => net.node(id).role)).toContain('leader')
    expect(asleep(net)).toEqual([])
  })

  test('a late answer does not', () => {
    const net = sleeping()
    net.send(messageOf('heartbeatResponse', 2, 1, 1), messageOf('appendEntriesResponse', 2, 1, 1, { index: 1 }))
    expect(asleep(net)).toEqual([1, 2, 3])
  })

  test('a member that cannot be reached does: it may not know that it may sleep', () => {
    const net = sleeping()
    net.node(1).raft.reportUnreachable(2)
    expect(net.node(1).raft.quiesced).toBe(false)
  })
})

describe('who was woken', () => {
  test('begins a fresh period of CheckQuorum as leader, with heartbeats at its first tick', () => {
    const net = sleeping()
    net.isolate(1)
    net.node(1).raft.wake()
    expect(net.node(1).ticks(1)).toMatchObject([{ type: 'heartbeat' }, { type: 'heartbeat' }])
    net.ticks(1, ELECTION - 2)
    expect(net.node(1).role).toBe('leader')
    net.ticks(1, 1)
    expect(net.node(1).role).toBe('follower')
  })

  test('by a candidate asks its leader, and has heard of it when the host last heard of its node', () => {
    const request = messageOf('requestPreVote', 3, 2, 2, { index: 1, logTerm: 1 })
    const near = sleeping(1).node(2)
    expect(near.receive(request)).toMatchObject([{ type: 'wake', to: 1 }])
    expect(near.raft.quiesced).toBe(false)
    const far = sleeping(ELECTION).node(2)
    const granted = { type: 'requestPreVoteResponse', reject: false }
    expect(far.receive(request)).toMatchObject([{ type: 'wake', to: 1 }, granted])
  })

  test('in doubt asks its leader, whose heartbeat prevents the election', () => {
    const net = sleeping(ELECTION)
    net.node(2).raft.wake()
    net.run()
    expect(asleep(net)).toEqual([3])
    net.ticks(1, 1)
    net.ticks(2, ELECTION - 1)
    expect(net.node(2).raft.status()).toMatchObject({ role: 'follower', leader: 1 })
  })

  test('sleeps again after the idle ticks', () => {
    const net = sleeping()
    net.propose(1, 'x')
    net.ticks(1, IDLE - 1)
    expect(asleep(net)).toEqual([])
    net.ticks(1, 1)
    expect(asleep(net)).toEqual([1, 2, 3])
  })

  test('keeps nobody from voting for long: with the leader gone the sleepers elect another within two timeouts', () => {
    const net = sleeping()
    net.isolate(1)
    for (let i = 0; i < 2 * ELECTION && net.node(2).role !== 'leader'; i++) {
      // A message from anybody, here a stray one, ends the sleep of the one; its pre-vote that of the other.
      if (i === 0) net.send(messageOf('wake', 3, 2, 0))
      for (const id of [2, 3]) net.ticks(id, 1)
    }
    expect([2, 3].map((id) => net.node(id).role)).toContain('leader')
  })
})
