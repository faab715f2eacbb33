import { describe, expect, test } from 'vitest'
import { entriesOf, messageOf } from './harness/entries.ts'
import { networkOf } from './harness/network.ts'
import { oneOf, TestNode } from './harness/node.ts'

describe('pre-votes (§9.6 of the dissertation)', () => {
  const options = { preVote: true, checkQuorum: true }

  test('a replica that was cut off comes back without deposing the leader', () => {
    const net = networkOf(3, options)
    net.campaign(1)
    net.isolate(3)
    net.ticks(3, 60)
    expect(net.node(3).raft.status()).toMatchObject({ role: 'preCandidate', term: 1 })
    net.heal()
    net.ticks(1, 1)
    expect(net.node(1).raft.status()).toMatchObject({ role: 'leader', term: 1 })
    expect(net.node(3).raft.status()).toMatchObject({ role: 'follower', leader: 1 })
  })

  test('a granted pre-vote leaves term and vote as they are and answers in the term asked about', () => {
    const node = oneOf(3, 1, { preVote: true, hard: { term: 2, vote: 3, commit: 0 } })
    const sent = node.receive(messageOf('requestPreVote', 2, 1, 3))
    expect(sent).toMatchObject([{ type: 'requestPreVoteResponse', term: 3, reject: false }])
    expect(node.raft.status()).toMatchObject({ term: 2, vote: 3 })
  })

  test('a pre-candidate of a higher term and one with the longer log of a lower term do not block each other', () => {
    const conf = oneOf(2).conf
    const longer = new TestNode(1, {
      conf,
      preVote: true,
      log: entriesOf([1, 1]),
      hard: { term: 1, vote: 0, commit: 0 },
    })
    const later = new TestNode(2, { conf, preVote: true, log: entriesOf([1]), hard: { term: 5, vote: 0, commit: 0 } })
    const asked = longer.ticks(10)
    const [answer] = later.receive(asked[0] ?? messageOf('heartbeat', 1, 2, 1))
    expect(answer).toMatchObject({ type: 'requestPreVoteResponse', term: 5, reject: true })
    longer.receive(answer ?? messageOf('heartbeat', 2, 1, 1))
    expect(longer.term).toBe(5)
    const again = longer.ticks(10)
    const [granted] = later.receive(again[0] ?? messageOf('heartbeat', 1, 2, 1))
    expect(granted).toMatchObject({ type: 'requestPreVoteResponse', reject: false })
  })
})

describe('leader leases for votes and CheckQuorum (§6)', () => {
  test('when the leader goes silent its followers elect another, once their own leases are over', () => {
    const net = networkOf(3, { preVote: true, checkQuorum: true })
    net.campaign(1)
    net.isolate(1)
    net.node(2).raft.setElectionTimeout(30)
    net.ticks(2, 9)
    net.campaign(3)
    // 2 hears of 1 no more, but its lease runs for one more tick.
    expect(net.node(3).role).toBe('preCandidate')
    net.ticks(2, 1)
    net.campaign(3)
    expect(net.node(3).raft.status()).toMatchObject({ role: 'leader', term: 2 })
    expect(net.node(2).leader).toBe(3)
  })

  test('a voter that heard of its leader within the timeout ignores other candidates', () => {
    const node = oneOf(3, 1, { checkQuorum: true })
    node.receive(messageOf('heartbeat', 2, 1, 1))
    node.ticks(9)
    expect(node.receive(messageOf('requestVote', 3, 1, 2, { index: 9, logTerm: 1 }))).toEqual([])
    expect(node.raft.status()).toMatchObject({ term: 1, leader: 2 })
  })

  test('an heir named by the leader is voted for in spite of the lease', () => {
    const node = oneOf(3, 1, { checkQuorum: true })
    node.receive(messageOf('heartbeat', 2, 1, 1))
    const sent = node.receive(messageOf('requestVote', 3, 1, 2, { index: 9, logTerm: 1, context: 1 }))
    expect(sent).toMatchObject([{ type: 'requestVoteResponse', reject: false }])
  })

  test('a voter told that its leader is unreachable judges votes and pre-votes normally', () => {
    const node = oneOf(3, 1, { checkQuorum: true, preVote: true })
    node.receive(messageOf('heartbeat', 2, 1, 1))
    node.raft.leaderUnreachable(3)
    expect(node.leader).toBe(2)
    node.raft.leaderUnreachable(2)
    expect(node.leader).toBe(0)
    const sent = node.receive(messageOf('requestPreVote', 3, 1, 2, { index: 9, logTerm: 1 }))
    expect(sent).toMatchObject([{ type: 'requestPreVoteResponse', reject: false }])
  })

  test('a leader that no quorum answers for an election timeout steps down', () => {
    const net = networkOf(3, { checkQuorum: true })
    net.campaign(1)
    net.ticks(1, 30)
    expect(net.node(1).role).toBe('leader')
    net.isolate(1)
    net.ticks(1, 20)
    expect(net.node(1).raft.status()).toMatchObject({ role: 'follower', term: 1, leader: 0 })
  })

  test('a cut-off replica with a higher term makes the leader step down, and a new election frees it', () => {
    const net = networkOf(3, { checkQuorum: true })
    net.campaign(1)
    net.isolate(3)
    net.ticks(3, 25)
    net.heal()
    expect(net.node(3).term).toBeGreaterThan(1)
    net.ticks(1, 1)
    expect(net.node(1).role).toBe('follower')
    net.ticks(1, 20)
    expect(net.node(1).role).toBe('leader')
    expect(net.node(3).leader).toBe(1)
  })
})
