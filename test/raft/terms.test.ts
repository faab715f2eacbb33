import { describe, expect, test } from 'vitest'
import type { MessageType } from '../../src/raft/types.ts'
import { messageOf } from './harness/entries.ts'
import { elect, oneOf, type TestNode } from './harness/node.ts'

function inRole(role: string): TestNode {
  const node = oneOf(3, 1, { preVote: role === 'preCandidate' })
  if (role === 'leader') elect(node)
  else if (role !== 'follower') {
    node.raft.campaign()
    node.drain()
  }
  expect(node.role).toBe(role)
  return node
}

describe('terms (§5.1)', () => {
  test.each(['follower', 'preCandidate', 'candidate', 'leader'])(
    'a %s that hears of a higher term adopts it and follows',
    (role) => {
      const node = inRole(role)
      node.receive(messageOf('appendEntries', 2, 1, 7))
      expect(node.raft.status()).toMatchObject({ term: 7, role: 'follower', leader: 2, vote: 0 })
      expect(node.log.hard.term).toBe(7)
    },
  )

  test('a higher term in a vote request is adopted without a leader', () => {
    const node = inRole('leader')
    node.receive(messageOf('requestVote', 2, 1, 9, { index: 0, logTerm: 0 }))
    expect(node.raft.status()).toMatchObject({ term: 9, role: 'follower', leader: 0 })
  })

  test('a message of an older term changes nothing', () => {
    const node = oneOf(3, 1, { hard: { term: 5, vote: 0, commit: 0 } })
    const types: MessageType[] = ['appendEntries', 'heartbeat', 'requestVote', 'timeoutNow', 'appendEntriesResponse']
    for (const type of types) expect(node.receive(messageOf(type, 2, 1, 4))).toEqual([])
    expect(node.raft.status()).toMatchObject({ term: 5, role: 'follower', leader: 0, vote: 0 })
  })

  test('a replica starts as a follower', () => {
    expect(oneOf(3).role).toBe('follower')
  })

  test('stepping down within a term keeps the vote', () => {
    const node = inRole('candidate')
    node.receive(messageOf('appendEntries', 2, 1, 1))
    expect(node.raft.status()).toMatchObject({ term: 1, role: 'follower', vote: 1 })
    const answer = node.receive(messageOf('requestVote', 3, 1, 1, { index: 9, logTerm: 9 }))
    expect(answer).toMatchObject([{ type: 'requestVoteResponse', reject: true }])
  })

  test('term and vote survive a restart, and the second candidate of the term gets nothing', () => {
    const node = oneOf(3)
    node.receive(messageOf('requestVote', 2, 1, 3, { index: 5, logTerm: 1 }))
    const again = oneOf(3, 1, { hard: node.log.hard })
    expect(again.raft.status()).toMatchObject({ term: 3, vote: 2 })
    const answer = again.receive(messageOf('requestVote', 3, 1, 3, { index: 5, logTerm: 1 }))
    expect(answer).toMatchObject([{ type: 'requestVoteResponse', to: 3, reject: true }])
  })
})
