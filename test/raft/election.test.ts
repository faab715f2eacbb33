import { describe, expect, test } from 'vitest'
import type { Message } from '../../src/raft/types.ts'
import { entriesOf, messageOf } from './harness/entries.ts'
import { networkOf } from './harness/network.ts'
import { elect, oneOf, TestNode } from './harness/node.ts'
import { Random } from './simulation/random.ts'

function requests(sent: readonly Message[]): unknown[] {
  return sent.filter((m) => m.type === 'requestVote').map(({ to, term }) => ({ to, term }))
}

describe('elections (§5.2)', () => {
  test('a leader sends an empty heartbeat to everybody at each heartbeat tick', () => {
    const node = oneOf(3, 1, { heartbeatTicks: 2 })
    elect(node)
    expect(node.ticks(1)).toEqual([])
    const sent = node.ticks(1)
    expect(sent.map(({ type, to, term, entries }) => ({ type, to, term, entries }))).toEqual([
      { type: 'heartbeat', to: 2, term: 1, entries: [] },
      { type: 'heartbeat', to: 3, term: 1, entries: [] },
    ])
  })

  test.each(['follower', 'candidate'] as const)(
    'a %s whose timeout runs out enters the next term, votes for itself and asks everybody',
    (role) => {
      const node = oneOf(3, 1, { hard: { term: 4, vote: 0, commit: 0 } })
      if (role === 'candidate') {
        node.raft.campaign()
        node.drain()
      }
      const before = node.term
      const sent = node.ticks(10)
      expect(node.raft.status()).toMatchObject({ term: before + 1, role: 'candidate', vote: 1 })
      expect(requests(sent)).toEqual([
        { to: 2, term: before + 1 },
        { to: 3, term: before + 1 },
      ])
    },
  )

  test.each([
    { size: 1, votes: [], role: 'leader' },
    { size: 3, votes: [true, true], role: 'leader' },
    { size: 3, votes: [true], role: 'leader' },
    { size: 5, votes: [true, true, true, true], role: 'leader' },
    { size: 5, votes: [true, true, true], role: 'leader' },
    { size: 5, votes: [true, true], role: 'leader' },
    { size: 3, votes: [false, false], role: 'follower' },
    { size: 5, votes: [false, false, false, false], role: 'follower' },
    { size: 5, votes: [true, false, false, false], role: 'follower' },
    { size: 3, votes: [], role: 'candidate' },
    { size: 5, votes: [true], role: 'candidate' },
    { size: 5, votes: [false, false], role: 'candidate' },
    { size: 5, votes: [], role: 'candidate' },
  ])('in a group of $size the votes $votes make a $role', ({ size, votes, role }) => {
    const node = oneOf(size)
    node.raft.campaign()
    node.drain()
    votes.forEach((granted, at) => {
      node.receive(messageOf('requestVoteResponse', at + 2, 1, 1, { reject: !granted }))
    })
    expect(node.raft.status()).toMatchObject({ role, term: 1 })
  })

  test.each([
    { vote: 0, candidate: 1, reject: false },
    { vote: 0, candidate: 3, reject: false },
    { vote: 1, candidate: 1, reject: false },
    { vote: 3, candidate: 3, reject: false },
    { vote: 1, candidate: 3, reject: true },
    { vote: 3, candidate: 1, reject: true },
  ])('one that voted for $vote answers candidate $candidate with reject=$reject', ({ vote, candidate, reject }) => {
    const node = oneOf(3, 2, { hard: { term: 1, vote, commit: 0 } })
    const sent = node.receive(messageOf('requestVote', candidate, 2, 1))
    expect(sent).toMatchObject([{ type: 'requestVoteResponse', to: candidate, term: 1, reject }])
  })

  test.each([1, 2])('a candidate of term 1 that hears from a leader of term %i follows it', (term) => {
    const node = oneOf(3)
    node.raft.campaign()
    node.drain()
    node.receive(messageOf('appendEntries', 3, 1, term))
    expect(node.raft.status()).toMatchObject({ role: 'follower', term, leader: 3 })
  })

  test.each(['follower', 'candidate'])('the timeouts of a %s spread over [T, 2T)', (role) => {
    const random = new Random(7)
    const seen = new Set<number>()
    for (let i = 0; i < 400; i++) {
      const node = oneOf(3, 1, { random: (bound) => random.below(bound) })
      if (role === 'candidate') {
        node.raft.campaign()
        node.drain()
      }
      const term = node.term
      let ticks = 0
      while (node.term === term) {
        node.ticks(1)
        ticks++
      }
      seen.add(ticks)
    }
    expect([...seen].sort((a, b) => a - b)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
  })

  test.each(['follower', 'candidate'])('of five %ss usually one alone times out first', (role) => {
    const random = new Random(11)
    let conflicts = 0
    const rounds = 300
    for (let round = 0; round < rounds; round++) {
      const nodes = [1, 2, 3, 4, 5].map((id) => oneOf(5, id, { random: (bound) => random.below(bound) }))
      if (role === 'candidate') for (const node of nodes) node.raft.campaign()
      for (const node of nodes) node.drain()
      let fired = 0
      while (fired === 0) {
        fired = nodes.filter((node) => {
          const term = node.term
          node.ticks(1)
          return node.term > term
        }).length
      }
      if (fired > 1) conflicts++
    }
    expect(conflicts / rounds).toBeLessThan(0.5)
  })

  test('a vote request carries the end of the log and goes to everybody', () => {
    const node = new TestNode(1, { conf: oneOf(3).conf, log: entriesOf([1, 2]), hard: { term: 2, vote: 0, commit: 0 } })
    const sent = node.ticks(10)
    expect(sent.map(({ type, to, term, index, logTerm }) => ({ type, to, term, index, logTerm }))).toEqual([
      { type: 'requestVote', to: 2, term: 3, index: 2, logTerm: 2 },
      { type: 'requestVote', to: 3, term: 3, index: 2, logTerm: 2 },
    ])
  })

  test('a candidate asks for votes only when its own vote is durable', () => {
    const node = oneOf(3)
    node.raft.campaign()
    const ready = node.take()
    expect(ready.messages).toEqual([])
    expect(ready.hard).toMatchObject({ term: 1, vote: 1 })
    expect(requests(ready.afterPersist)).toHaveLength(2)
  })

  test.each(['requestVote', 'heartbeat', 'appendEntries'] as const)(
    'a %s of its own term puts the own election off',
    (type) => {
      const node = oneOf(3, 1, { hard: { term: 1, vote: 0, commit: 0 } })
      node.ticks(9)
      node.receive(messageOf(type, 2, 1, 1))
      node.ticks(9)
      expect(node.role).toBe('follower')
      node.ticks(1)
      expect(node.role).toBe('candidate')
    },
  )

  test('the winner announces itself with an empty entry of its term', () => {
    const net = networkOf(3)
    net.campaign(1)
    expect(net.node(1).role).toBe('leader')
    for (const node of net.nodes.values()) {
      expect(node.log.list).toMatchObject([{ term: 1, index: 1, type: 'normal' }])
      expect(node.leader).toBe(1)
    }
  })

  test('a vote that was refused is not granted by a second answer', () => {
    const node = oneOf(3)
    node.raft.campaign()
    node.drain()
    node.receive(messageOf('requestVoteResponse', 2, 1, 1, { reject: true }))
    node.receive(messageOf('requestVoteResponse', 2, 1, 1))
    expect(node.role).toBe('candidate')
  })

  test('a removed or unknown replica cannot vote, and a second answer of the same one does not count', () => {
    const node = oneOf(5)
    node.raft.campaign()
    node.drain()
    expect(node.raft.step(messageOf('requestVoteResponse', 9, 1, 1))).toBe('unknownPeer')
    for (let i = 0; i < 3; i++) node.receive(messageOf('requestVoteResponse', 2, 1, 1))
    expect(node.role).toBe('candidate')
    node.receive(messageOf('requestVoteResponse', 3, 1, 1))
    expect(node.role).toBe('leader')
  })
})

describe('the election restriction (§5.4.1)', () => {
  test.each([
    { own: [1], term: 1, index: 1, reject: false },
    { own: [1], term: 1, index: 2, reject: false },
    { own: [1, 1], term: 1, index: 1, reject: true },
    { own: [1], term: 2, index: 1, reject: false },
    { own: [1], term: 2, index: 2, reject: false },
    { own: [1, 1], term: 2, index: 1, reject: false },
    { own: [2], term: 1, index: 1, reject: true },
    { own: [2], term: 1, index: 2, reject: true },
    { own: [2, 1], term: 1, index: 1, reject: true },
  ])('log $own answers a candidate ending at term $term index $index with reject=$reject', (row) => {
    const node = new TestNode(1, { conf: oneOf(2).conf, log: entriesOf(row.own) })
    const sent = node.receive(messageOf('requestVote', 2, 1, 3, { logTerm: row.term, index: row.index }))
    expect(sent).toMatchObject([{ type: 'requestVoteResponse', reject: row.reject }])
  })
})
