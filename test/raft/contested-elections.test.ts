/** Elections that several want to win, that somebody disturbs, or that a network or a mixed configuration hinders. */
import { describe, expect, test } from 'vitest'
import type { Role } from '../../src/raft/types.ts'
import { entriesOf, messageOf } from './harness/entries.ts'
import { Network, networkOf } from './harness/network.ts'
import { elect, type NodeOptions, oneOf, TestNode } from './harness/node.ts'

const STRICT = { preVote: true, checkQuorum: true }

function inRole(role: Role): TestNode {
  const node = oneOf(3, 1, { preVote: role === 'preCandidate', hard: { term: 1, vote: 0, commit: 0 } })
  if (role === 'leader') elect(node)
  else if (role !== 'follower') node.raft.campaign()
  node.drain()
  expect(node.role).toBe(role)
  return node
}

function mixed(...options: NodeOptions[]): Network {
  return new Network(...options.map((one, at) => oneOf(options.length, at + 1, one)))
}

function leaders(net: Network): number[] {
  return [...net.nodes.values()].filter((node) => node.role === 'leader').map((node) => node.id)
}

describe('several candidates (§5.2)', () => {
  test('of two candidates cut off from each other one wins, the other joins it or runs again in a later term', () => {
    const net = networkOf(3)
    net.cut(1, 3)
    net.node(1).raft.campaign()
    net.node(3).raft.campaign()
    net.run()
    expect(leaders(net)).toEqual([1])
    expect(net.node(3).role).toBe('candidate')
    net.heal()
    // Its log is the shorter one: the new term deposes the leader, but elects somebody else.
    net.campaign(3)
    expect(net.node(3).role).toBe('follower')
    expect(net.node(1).raft.status()).toMatchObject({ role: 'follower', term: 2 })
  })

  test('with pre-votes the loser of two candidates disturbs nobody', () => {
    const net = networkOf(3, { preVote: true })
    net.cut(1, 3)
    net.node(1).raft.campaign()
    net.node(3).raft.campaign()
    net.run()
    net.heal()
    net.campaign(3)
    expect(leaders(net)).toEqual([1])
    expect(net.node(1).term).toBe(1)
    expect(net.node(3).role).toBe('follower')
  })

  test('when all votes are split nobody wins, and the next one to time out does', () => {
    const net = networkOf(2, { preVote: true })
    net.node(1).raft.campaign()
    net.node(2).raft.campaign()
    net.run()
    // Both pre-votes are granted: each asks for a real one, having voted for itself.
    expect(leaders(net)).toEqual([])
    expect([net.node(1).term, net.node(2).term]).toEqual([1, 1])
    net.campaign(2)
    expect(leaders(net)).toEqual([2])
  })

  test.each(['follower', 'preCandidate', 'candidate', 'leader'] as const)(
    'a %s grants the vote of a higher term and follows it',
    (role) => {
      const node = inRole(role)
      const term = node.term + 1
      const sent = node.receive(messageOf('requestVote', 2, 1, term, { index: 9, logTerm: term }))
      expect(sent.filter((m) => m.to === 2)).toMatchObject([{ type: 'requestVoteResponse', term, reject: false }])
      expect(node.raft.status()).toMatchObject({ role: 'follower', term, vote: 2 })
    },
  )

  test.each(['follower', 'preCandidate', 'candidate', 'leader'] as const)(
    'a %s that grants a pre-vote keeps its role, term and vote',
    (role) => {
      const node = inRole(role)
      const before = node.raft.status()
      const sent = node.receive(messageOf('requestPreVote', 2, 1, 9, { index: 9, logTerm: 8 }))
      expect(sent).toMatchObject([{ type: 'requestPreVoteResponse', term: 9, reject: false }])
      const { vote, term } = before
      expect(node.raft.status()).toMatchObject({ role, vote, term })
    },
  )

  test.each([false, true])(
    'a leader elected past a replica with newer uncommitted entries replaces them, pre-votes: %s',
    (preVote) => {
      // Replica 3 led term 2 alone and wrote an entry that nobody else has.
      const net = new Network(
        oneOf(3, 1, { preVote, log: entriesOf([1]), hard: { term: 2, vote: 3, commit: 0 } }),
        oneOf(3, 2, { preVote, log: entriesOf([1]), hard: { term: 2, vote: 3, commit: 0 } }),
        oneOf(3, 3, { preVote, log: entriesOf([1, 2]), hard: { term: 2, vote: 3, commit: 0 } }),
      )
      net.campaign(1)
      expect(leaders(net)).toEqual([1])
      expect(net.node(3).terms).toEqual([1, 3])
    },
  )
})

describe('groups where not everybody asks for pre-votes', () => {
  test('one without them that was cut off deposes the leader, and a leader emerges', () => {
    const net = mixed({ preVote: true }, { preVote: true }, {})
    net.campaign(1)
    net.isolate(3)
    net.ticks(3, 25)
    net.propose(1, 'x')
    net.heal()
    net.campaign(3)
    expect(leaders(net)).toEqual([])
    net.ticks(2, 10)
    const [leader] = leaders(net)
    expect(leader).not.toBe(3)
    expect(net.node(3).leader).toBe(leader)
  })

  test('one with a lower term and the longer log is elected once it has learnt the term', () => {
    const net = mixed({ preVote: true }, { preVote: true })
    const behind = new TestNode(1, {
      ...{ conf: net.node(1).conf, preVote: true, log: entriesOf([1, 1]) },
      hard: { term: 1, vote: 0, commit: 0 },
    })
    const ahead = new TestNode(2, { conf: net.node(1).conf, preVote: true, hard: { term: 4, vote: 2, commit: 0 } })
    const pair = new Network(behind, ahead)
    pair.campaign(1)
    expect(behind.term).toBe(4)
    pair.campaign(1)
    expect(leaders(pair)).toEqual([1])
  })
})

describe('disturbed leaders', () => {
  test('a follower that did not hear of its leader in time runs, and without pre-votes deposes it', () => {
    const net = networkOf(3, { checkQuorum: true })
    net.campaign(1)
    net.node(3).raft.setElectionTimeout(12)
    net.node(3).ticks(12)
    expect(net.node(3).role).toBe('candidate')
    // Its word reaches the leader only as an answer to a heartbeat: votes are ignored under the lease.
    net.ticks(1, 1)
    expect(net.node(1).raft.status()).toMatchObject({ role: 'follower', term: 2 })
  })

  test('with pre-votes it does not: the leader goes on in its term', () => {
    const net = networkOf(3, STRICT)
    net.campaign(1)
    net.node(3).raft.setElectionTimeout(12)
    net.node(3).ticks(12)
    expect(net.node(3).role).toBe('preCandidate')
    net.ticks(1, 1)
    expect(net.node(1).raft.status()).toMatchObject({ role: 'leader', term: 1 })
    expect(net.node(3).raft.status()).toMatchObject({ role: 'follower', leader: 1 })
  })

  test('a candidate supersedes a leader only when a voter has not heard of that leader for a timeout', () => {
    const net = networkOf(3, { checkQuorum: true })
    net.campaign(1)
    net.campaign(3)
    expect(leaders(net)).toEqual([1])
    net.node(2).raft.setElectionTimeout(30)
    net.node(2).ticks(10)
    net.campaign(3)
    expect(net.node(3).role).toBe('leader')
  })

  test('a voter that is no member yet cannot run, but learns who leads', () => {
    const outsider = new TestNode(2, { conf: oneOf(1).conf, checkQuorum: true })
    outsider.ticks(25)
    expect(outsider.raft.status()).toMatchObject({ role: 'follower', term: 0 })
    outsider.receive(messageOf('heartbeat', 1, 2, 1))
    expect(outsider.leader).toBe(1)
  })

  test('a leader that reaches only a bridge gives way, and the side that can see the rest has one', () => {
    const net = networkOf(5, STRICT)
    net.campaign(1)
    // 1 and 2 see only 3; 3 sees everybody; 4 and 5 see 3 and each other.
    for (const [a, b] of [
      [1, 2],
      [1, 4],
      [1, 5],
      [2, 4],
      [2, 5],
    ] as const) {
      net.cut(a, b)
    }
    const timeouts = new Map([...net.nodes.keys()].map((id) => [id, 11 + 3 * id]))
    for (let round = 0; round < 80; round++) {
      for (const [id, timeout] of timeouts) {
        if (net.node(id).role === 'follower') net.node(id).raft.setElectionTimeout(timeout)
        net.ticks(id, 1)
      }
    }
    const [leader] = leaders(net)
    expect([3, 4, 5]).toContain(leader)
    expect(leaders(net)).toHaveLength(1)
    expect(net.propose(leader ?? 0, 'x')).toMatchObject({ index: expect.any(Number) })
    expect(net.node(leader ?? 0).commit).toBe(net.node(leader ?? 0).log.lastIndex())
  })
})

describe('a leader that was forgotten', () => {
  test('costs the follower neither its term nor its vote, and the next heartbeat brings it back', () => {
    const node = oneOf(3, 2)
    node.receive(messageOf('heartbeat', 1, 2, 3))
    node.raft.forgetLeader()
    expect(node.raft.status()).toMatchObject({ role: 'follower', term: 3, leader: 0 })
    node.receive(messageOf('heartbeat', 1, 2, 3))
    expect(node.leader).toBe(1)
  })

  test('does not put off the election that was due', () => {
    const node = oneOf(3, 2)
    node.receive(messageOf('heartbeat', 1, 2, 3))
    node.ticks(9)
    node.raft.forgetLeader()
    node.ticks(1)
    expect(node.role).toBe('candidate')
  })

  test.each(['leader', 'candidate', 'preCandidate'] as const)('changes nothing on a %s', (role) => {
    const node = inRole(role)
    const before = node.raft.status()
    node.raft.forgetLeader()
    expect(node.raft.status()).toEqual(before)
  })
})
