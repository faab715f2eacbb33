import { describe, expect, test } from 'vitest'
import { bytes, entriesOf, messageOf, text, votersOf } from './harness/entries.ts'
import { elect, oneOf, TestNode } from './harness/node.ts'

describe('nothing leaves before it is durable', () => {
  test('an acknowledgement waits for the write it acknowledges', () => {
    const node = oneOf(3)
    node.raft.step(messageOf('appendEntries', 2, 1, 1, { entries: entriesOf([1]) }))
    const ready = node.take()
    expect(ready.messages).toEqual([])
    expect(ready.afterPersist).toMatchObject([{ type: 'appendEntriesResponse', to: 2, index: 1 }])
  })

  test('a vote waits for term and vote to be durable', () => {
    const node = oneOf(3)
    node.raft.step(messageOf('requestVote', 2, 1, 4))
    const ready = node.take()
    expect(ready.messages).toEqual([])
    expect(ready.hard).toEqual({ term: 4, vote: 2, commit: 0 })
    expect(ready.afterPersist).toMatchObject([{ type: 'requestVoteResponse', to: 2, reject: false }])
  })

  test('a leader counts itself only when its own write is durable', () => {
    const node = oneOf(3)
    elect(node)
    node.raft.propose([bytes('x')])
    const ready = node.take()
    expect(node.raft.progress()[0]).toMatchObject({ id: 1, match: 1 })
    node.raft.step(messageOf('appendEntriesResponse', 2, 1, 1, { index: 1 }))
    expect(node.commit).toBe(1)
    // Of three, one follower and the leader's memory are no majority.
    node.raft.step(messageOf('appendEntriesResponse', 2, 1, 1, { index: 2 }))
    expect(node.commit).toBe(1)
    node.persist(ready)
    expect(node.commit).toBe(2)
  })

  test("a new leader's first entry counts for itself only when it is durable", () => {
    const node = new TestNode(1, { conf: votersOf(1, 2), log: entriesOf([1]), hard: { term: 1, vote: 0, commit: 0 } })
    node.raft.campaign()
    node.drain()
    node.raft.step(messageOf('requestVoteResponse', 2, 1, 2))
    const ready = node.take()
    node.raft.step(messageOf('appendEntriesResponse', 2, 1, 2, { index: 2 }))
    expect(node.commit).toBe(0)
    node.persist(ready)
    expect(node.commit).toBe(2)
  })

  test('a lone voter elects itself and commits only through its disk', () => {
    const node = oneOf(1)
    node.raft.campaign()
    const vote = node.take()
    expect(node.role).toBe('candidate')
    node.persist(vote)
    expect(node.role).toBe('leader')
    node.drain()
    node.raft.propose([bytes('x')])
    const ready = node.take()
    expect(ready.committed).toEqual([])
    expect(node.commit).toBe(1)
    node.persist(ready)
    expect(node.commit).toBe(2)
    expect(node.take().committed.map((entry) => text(entry.data))).toEqual(['x'])
  })

  test('an entry is not handed out for applying before it is durable here, though others committed it', () => {
    const node = oneOf(3)
    node.raft.step(messageOf('appendEntries', 2, 1, 1, { entries: entriesOf([1]), commit: 1 }))
    const ready = node.take()
    expect(node.commit).toBe(1)
    expect(ready.committed).toEqual([])
    node.persist(ready)
    expect(node.take().committed).toHaveLength(1)
  })

  test('a commit index goes to disk together with, or after, the entries it covers', () => {
    const node = oneOf(3)
    node.raft.step(messageOf('appendEntries', 2, 1, 1, { entries: entriesOf([1, 1]), commit: 2 }))
    const ready = node.take()
    expect(ready.hard?.commit).toBe(2)
    expect(ready.entries.at(-1)?.index).toBe(2)
  })
})

describe('several Readys under way', () => {
  test('each holds only what is new, and one confirmation covers those before it', () => {
    const node = oneOf(1)
    elect(node)
    node.raft.propose([bytes('a')])
    const first = node.take()
    node.raft.propose([bytes('b')])
    const second = node.take()
    expect(first.entries.map((entry) => entry.index)).toEqual([2])
    expect(second.entries.map((entry) => entry.index)).toEqual([3])
    node.log.write(first)
    node.log.write(second)
    node.raft.persisted(second.token)
    expect(node.commit).toBe(3)
    node.raft.persisted(first.token)
    expect(node.commit).toBe(3)
  })

  test('a write confirmed after its entries were replaced confirms nothing', () => {
    const node = oneOf(3)
    node.raft.step(messageOf('appendEntries', 2, 1, 1, { entries: entriesOf([1, 1]) }))
    const first = node.take()
    node.raft.step(messageOf('appendEntries', 3, 1, 2, { entries: entriesOf([2]), commit: 1 }))
    const second = node.take()
    node.log.write(first)
    node.raft.persisted(first.token)
    // Index 1 of term 1 is on disk, index 1 of term 2 is what is committed.
    expect(node.raft.hasReady()).toBe(false)
    node.log.write(second)
    node.raft.persisted(second.token)
    expect(node.take().committed).toMatchObject([{ index: 1, term: 2 }])
  })

  test('entries replaced and put back are durable only with the last of the three writes', () => {
    const node = oneOf(3)
    const original = entriesOf([1, 1])
    node.raft.step(messageOf('appendEntries', 2, 1, 1, { entries: original }))
    const first = node.take()
    node.raft.step(messageOf('appendEntries', 3, 1, 2, { entries: entriesOf([2]) }))
    const second = node.take()
    node.raft.step(messageOf('appendEntries', 2, 1, 3, { entries: original, commit: 2 }))
    const third = node.take()
    node.log.write(first)
    node.raft.persisted(first.token)
    // The disk is about to be overwritten by the second write: reading the entries there now would be wrong later.
    expect(node.raft.hasReady()).toBe(false)
    node.log.write(second)
    node.raft.persisted(second.token)
    expect(node.raft.hasReady()).toBe(false)
    node.log.write(third)
    node.raft.persisted(third.token)
    expect(node.take().committed.map((entry) => entry.term)).toEqual([1, 1])
  })

  test("a leader's own write that is confirmed after it stepped down is not counted for a later leadership", () => {
    const node = oneOf(3)
    elect(node)
    node.raft.propose([bytes('x')])
    const ready = node.take()
    node.raft.step(messageOf('heartbeat', 2, 1, 2))
    const later = node.take()
    node.persist(ready)
    node.persist(later)
    expect(node.raft.status()).toMatchObject({ role: 'follower', commit: 0 })
  })

  test('an acknowledgement given in an older term is not counted', () => {
    const node = oneOf(3)
    elect(node)
    node.receive(messageOf('heartbeat', 2, 1, 2))
    elect(node)
    expect(node.term).toBe(3)
    node.receive(messageOf('appendEntriesResponse', 3, 1, 1, { index: 2 }))
    expect(node.commit).toBe(0)
  })
})

describe('starting from disk', () => {
  test('an empty append moves the commit index no further than what it verified', () => {
    const log = entriesOf([1, 1, 1])
    const node = new TestNode(1, { conf: votersOf(1, 2, 3), log, hard: { term: 2, vote: 0, commit: 0 } })
    node.receive(messageOf('appendEntries', 2, 1, 2, { index: 1, logTerm: 1, commit: 3 }))
    expect(node.commit).toBe(1)
  })

  test('a repeated or late append leaves what follows it alone', () => {
    const log = entriesOf([1, 1, 1])
    const node = new TestNode(1, { conf: votersOf(1, 2, 3), log, hard: { term: 1, vote: 0, commit: 0 } })
    const sent = node.receive(messageOf('appendEntries', 2, 1, 1, { entries: entriesOf([1]) }))
    expect(sent).toMatchObject([{ index: 1, reject: false }])
    expect(node.terms).toEqual([1, 1, 1])
  })

  test('a conflict takes everything behind it along', () => {
    const log = entriesOf([1, 1, 1, 1])
    const node = new TestNode(1, { conf: votersOf(1, 2, 3), log, hard: { term: 1, vote: 0, commit: 1 } })
    node.receive(messageOf('appendEntries', 2, 1, 2, { index: 1, logTerm: 1, entries: entriesOf([2], 2) }))
    expect(node.terms).toEqual([1, 2])
  })

  test('an append that begins before the commit index is answered with it and touches nothing', () => {
    const log = entriesOf([1, 1, 1])
    const node = new TestNode(1, { conf: votersOf(1, 2, 3), log, hard: { term: 2, vote: 0, commit: 3 } })
    const sent = node.receive(messageOf('appendEntries', 2, 1, 2, { index: 1, logTerm: 9, entries: entriesOf([2], 2) }))
    expect(sent).toMatchObject([{ type: 'appendEntriesResponse', index: 3, reject: false }])
    expect(node.terms).toEqual([1, 1, 1])
  })

  test('storage that returns the wrong entries stops the leader instead of sending a gap', () => {
    const node = oneOf(3)
    elect(node)
    node.raft.propose([bytes('a'), bytes('b')])
    node.drain()
    node.log.entries = () => []
    expect(() => node.raft.step(messageOf('heartbeatResponse', 2, 1, 1))).toThrow(
      'storage returns entries from the index asked for',
    )
  })

  test('a restarted leader is a follower, whatever answers of its old election still arrive', () => {
    const node = oneOf(3)
    elect(node)
    const again = oneOf(3, 1, { hard: node.log.hard })
    again.receive(messageOf('requestVoteResponse', 2, 1, 1))
    again.receive(messageOf('requestVoteResponse', 3, 1, 1))
    expect(again.raft.status()).toMatchObject({ role: 'follower', term: 1, leader: 0 })
  })

  test('the commit index of a start is the higher of the hard state and what was applied', () => {
    const node = new TestNode(1, { log: entriesOf([1, 1, 1]), applied: 2, hard: { term: 1, vote: 0, commit: 1 } })
    expect(node.raft.status()).toMatchObject({ commit: 2, applied: 2 })
  })
})
