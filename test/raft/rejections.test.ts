/** How few messages it takes to find where two logs part (end of §5.3), and what a leader never tells too early. */
import { describe, expect, test } from 'vitest'
import { bytes, entriesOf, messageOf, votersOf } from './harness/entries.ts'
import { elect, oneOf, TestNode } from './harness/node.ts'

const CONF = votersOf(1, 2, 3)

describe('the hints of a refused append', () => {
  // A leader of term 9 with log `own` meets a follower with log `theirs`: the place it probes next, and what is hinted.
  test.each([
    { why: 'one is longer', own: [1, 2, 5, 5, 5], theirs: [1, 2, 5], hint: { term: 5, index: 3 }, next: 3 },
    {
      why: 'a short tail differs',
      own: [1, 2, 5, 5, 6],
      theirs: [1, 2, 5, 5, 5, 5],
      hint: { term: 5, index: 5 },
      next: 4,
    },
    { why: 'a long old tail', own: [1, 4, 4, 4, 4], theirs: [1, 2, 2, 2, 2, 2], hint: { term: 2, index: 5 }, next: 1 },
    {
      why: 'a long newer tail',
      own: [1, 1, 1, 2, 3],
      theirs: [1, 1, 1, 7, 7, 7, 7],
      hint: { term: 1, index: 3 },
      next: 3,
    },
    { why: 'old terms mixed', own: [1, 2, 2, 6, 6], theirs: [1, 2, 2, 3, 3, 4], hint: { term: 3, index: 5 }, next: 3 },
    { why: 'nothing in common', own: [3, 3, 3, 3, 3], theirs: [1, 1, 2, 2, 2], hint: { term: 2, index: 5 }, next: 0 },
    { why: 'an empty log', own: [1, 1, 1, 1, 1], theirs: [], hint: { term: 0, index: 0 }, next: 0 },
  ])('$why: of $own against $theirs', ({ own, theirs, hint, next }) => {
    const leader = new TestNode(1, { conf: CONF, log: entriesOf(own), hard: { term: 8, vote: 0, commit: 0 } })
    const follower = new TestNode(2, { conf: CONF, log: entriesOf(theirs), hard: { term: 8, vote: 0, commit: 0 } })
    elect(leader)
    const probe = messageOf('appendEntries', 1, 2, 9, { index: own.length, logTerm: own.at(-1) ?? 0 })
    const [refusal] = follower.receive(probe)
    expect(refusal).toMatchObject({ reject: true, rejectHint: hint.index, logTerm: hint.term })
    const [second] = leader.receive(refusal ?? probe)
    expect(second).toMatchObject({ type: 'appendEntries', to: 2, index: next })
    const answers = follower.receive(second ?? probe)
    // One refusal was enough: the second append lies where both agree.
    expect(answers).toMatchObject([{ type: 'appendEntriesResponse', reject: false, index: own.length + 1 }])
    expect(follower.terms).toEqual([...own, 9])
  })

  test('a refusal that comes twice, or late, moves nothing', () => {
    const leader = new TestNode(1, { conf: CONF, log: entriesOf([1, 1, 1]), hard: { term: 1, vote: 0, commit: 0 } })
    elect(leader)
    const refusal = messageOf('appendEntriesResponse', 2, 1, 2, { index: 3, reject: true, rejectHint: 1, logTerm: 1 })
    expect(leader.receive(refusal)).toMatchObject([{ type: 'appendEntries', index: 1 }])
    expect(leader.receive(refusal)).toEqual([])
    leader.receive(messageOf('appendEntriesResponse', 2, 1, 2, { index: 4 }))
    expect(leader.receive(refusal)).toEqual([])
    expect(leader.raft.progress()[1]).toMatchObject({ match: 4, next: 5, state: 'replicate' })
  })
})

describe('the commit index on its way to a follower', () => {
  test('a heartbeat carries no more of it than the follower is known to have', () => {
    const leader = oneOf(3)
    elect(leader)
    leader.raft.propose([bytes('a'), bytes('b')])
    leader.drain()
    leader.receive(messageOf('appendEntriesResponse', 2, 1, 1, { index: 3 }))
    leader.receive(messageOf('appendEntriesResponse', 3, 1, 1, { index: 1 }))
    expect(leader.commit).toBe(3)
    const beats = leader.ticks(1).filter((m) => m.type === 'heartbeat')
    expect(beats.map(({ to, commit }) => ({ to, commit }))).toEqual([
      { to: 2, commit: 3 },
      { to: 3, commit: 1 },
    ])
  })

  test('an append that was lost with it is made good by the answer to the next heartbeat', () => {
    const leader = oneOf(3)
    elect(leader)
    leader.receive(messageOf('appendEntriesResponse', 2, 1, 1, { index: 1 }))
    expect(leader.commit).toBe(1)
    leader.ticks(1)
    const sent = leader.receive(messageOf('heartbeatResponse', 3, 1, 1))
    expect(sent).toMatchObject([{ type: 'appendEntries', to: 3, index: 0, commit: 1, entries: [{ index: 1 }] }])
  })
})
