import { describe, expect, test } from 'vitest'
import type { Entry } from '../../src/base/log-entry.ts'
import { bytes, entriesOf, messageOf, text, votersOf } from './harness/entries.ts'
import { Network } from './harness/network.ts'
import { elect, oneOf, TestNode } from './harness/node.ts'

function texts(entries: readonly Entry[]): string[] {
  return entries.map((entry) => text(entry.data))
}

/** A leader of term 1 whose first entry everybody has and knows to be committed. */
function settledLeader(size: number): TestNode {
  const node = oneOf(size)
  elect(node)
  for (let id = 2; id <= size; id++) node.receive(messageOf('appendEntriesResponse', id, 1, 1, { index: 1 }))
  expect(node.commit).toBe(1)
  return node
}

describe('log replication (§5.3)', () => {
  test('a proposal is appended, made durable, and sent with the place before it', () => {
    const node = settledLeader(3)
    expect(node.raft.propose([bytes('some')])).toEqual({ term: 1, index: 2 })
    const ready = node.take()
    expect(texts(ready.entries)).toEqual(['some'])
    for (const [at, to] of [2, 3].entries()) {
      expect(ready.messages[at]).toMatchObject({ type: 'appendEntries', to, index: 1, logTerm: 1, commit: 1 })
      expect(texts(ready.messages[at]?.entries ?? [])).toEqual(['some'])
    }
  })

  test('an entry that a majority has is committed, applied, and its index told to the followers', () => {
    const node = settledLeader(3)
    node.raft.propose([bytes('some')])
    node.drain()
    expect(node.commit).toBe(1)
    const sent = node.receive(messageOf('appendEntriesResponse', 2, 1, 1, { index: 2 }))
    expect(node.commit).toBe(2)
    expect(texts(node.applied)).toEqual(['', 'some'])
    for (const to of [2, 3])
      expect(sent).toContainEqual(expect.objectContaining({ type: 'appendEntries', to, commit: 2 }))
  })

  test.each([
    { size: 1, acks: [], committed: true },
    { size: 3, acks: [], committed: false },
    { size: 3, acks: [2], committed: true },
    { size: 3, acks: [2, 3], committed: true },
    { size: 5, acks: [], committed: false },
    { size: 5, acks: [2], committed: false },
    { size: 5, acks: [2, 3], committed: true },
    { size: 5, acks: [2, 3, 4], committed: true },
    { size: 5, acks: [2, 3, 4, 5], committed: true },
  ])('in a group of $size acknowledgements of $acks commit: $committed', ({ size, acks, committed }) => {
    const node = settledLeader(size)
    node.raft.propose([bytes('x')])
    node.drain()
    for (const id of acks) node.receive(messageOf('appendEntriesResponse', id, 1, 1, { index: 2 }))
    expect(node.commit >= 2).toBe(committed)
  })

  test.each([[[]], [[2]], [[1, 2]], [[1]]])(
    'entries of earlier terms %j are committed with the first of this one',
    (terms) => {
      const log = entriesOf(terms)
      const node = new TestNode(1, { conf: votersOf(1, 2, 3), log, hard: { term: 2, vote: 0, commit: 0 } })
      elect(node)
      node.raft.propose([bytes('some')])
      node.drain()
      node.receive(messageOf('appendEntriesResponse', 2, 1, 3, { index: log.length + 2 }))
      expect(texts(node.applied)).toEqual([...texts(log), '', 'some'])
    },
  )

  test.each([1, 2])('a follower that learns of commit index %i applies in order up to it', (commit) => {
    const node = oneOf(3)
    const entries = entriesOf([1, 1])
    node.receive(messageOf('appendEntries', 2, 1, 1, { entries, commit }))
    expect(texts(node.applied)).toEqual(texts(entries.slice(0, commit)))
  })

  test.each([
    { index: 0, logTerm: 0, answer: { index: 1, reject: false } },
    { index: 1, logTerm: 1, answer: { index: 1, reject: false } },
    { index: 2, logTerm: 2, answer: { index: 2, reject: false } },
    { index: 2, logTerm: 1, answer: { index: 2, reject: true, rejectHint: 1, logTerm: 1 } },
    { index: 3, logTerm: 3, answer: { index: 3, reject: true, rejectHint: 2, logTerm: 2 } },
  ])(
    'an append behind $index/$logTerm on a log of terms 1, 2 is answered with $answer',
    ({ index, logTerm, answer }) => {
      const node = new TestNode(1, {
        conf: votersOf(1, 2, 3),
        log: entriesOf([1, 2]),
        hard: { term: 2, vote: 0, commit: 1 },
      })
      const sent = node.receive(messageOf('appendEntries', 2, 1, 2, { index, logTerm }))
      expect(sent).toMatchObject([{ type: 'appendEntriesResponse', to: 2, ...answer }])
    },
  )

  test.each([
    { index: 2, logTerm: 2, terms: [3], log: [1, 2, 3], written: [3] },
    { index: 1, logTerm: 1, terms: [3, 4], log: [1, 3, 4], written: [3, 4] },
    { index: 0, logTerm: 0, terms: [1], log: [1, 2], written: [] },
    { index: 0, logTerm: 0, terms: [3], log: [3], written: [3] },
  ])('terms $terms behind $index on a log of terms 1, 2 make it $log', ({ index, logTerm, terms, log, written }) => {
    const node = new TestNode(1, {
      conf: votersOf(1, 2, 3),
      log: entriesOf([1, 2]),
      hard: { term: 2, vote: 0, commit: 0 },
    })
    node.raft.step(messageOf('appendEntries', 2, 1, 4, { index, logTerm, entries: entriesOf(terms, index + 1) }))
    const ready = node.take()
    expect(ready.entries.map((entry) => entry.term)).toEqual(written)
    node.persist(ready)
    expect(node.terms).toEqual(log)
  })

  test.each([
    [[1, 1, 1, 4, 4, 5, 5, 6, 6]],
    [[1, 1, 1, 4]],
    [[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    [[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    [[1, 1, 1, 4, 4, 4, 4]],
    [[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ])('a leader brings the log %j of figure 7 into line with its own', (terms) => {
    const conf = votersOf(1, 2, 3)
    const leaderLog = entriesOf([1, 1, 1, 4, 4, 5, 5, 6, 6, 6])
    const leader = new TestNode(1, { conf, log: leaderLog, hard: { term: 8, vote: 0, commit: 10 } })
    const follower = new TestNode(2, { conf, log: entriesOf(terms), hard: { term: 7, vote: 0, commit: 0 } })
    const voter = new TestNode(3, { conf, hard: { term: 7, vote: 0, commit: 0 } })
    const net = new Network(leader, follower, voter)
    net.campaign(1)
    net.propose(1, 'new')
    expect(follower.log.list).toEqual(leader.log.list)
    expect(follower.commit).toBe(12)
  })

  test('one hint spares a round trip per conflicting entry', () => {
    const conf = votersOf(1, 2, 3)
    const leader = new TestNode(1, { conf, log: entriesOf([1, 3, 3, 3, 3]), hard: { term: 3, vote: 0, commit: 0 } })
    const follower = new TestNode(2, {
      conf,
      log: entriesOf([1, 2, 2, 2, 2, 2, 2]),
      hard: { term: 3, vote: 0, commit: 0 },
    })
    const net = new Network(leader, follower, new TestNode(3, { conf }))
    net.isolate(3)
    leader.raft.campaign()
    leader.drain()
    leader.raft.step(messageOf('requestVoteResponse', 3, 1, 4))
    net.run()
    expect(follower.terms).toEqual([1, 3, 3, 3, 3, 4])
    const appends = net.delivered.filter((m) => m.type === 'appendEntries' && m.to === 2)
    // One that is refused, one behind the agreed place, one with the commit index.
    expect(appends.length).toBeLessThanOrEqual(3)
  })

  test('acknowledgements that arrive in another order lose nothing', () => {
    const node = settledLeader(3)
    for (const data of ['a', 'b', 'c']) node.raft.propose([bytes(data)])
    node.drain()
    node.receive(messageOf('appendEntriesResponse', 2, 1, 1, { index: 4 }))
    node.receive(messageOf('appendEntriesResponse', 2, 1, 1, { index: 2 }))
    expect(node.commit).toBe(4)
    expect(node.raft.progress()[1]).toMatchObject({ match: 4, next: 5, state: 'replicate' })
  })

  test('appends that overtake each other are refused, sent once more, and the late refusal moves nothing', () => {
    const leader = settledLeader(3)
    const follower = new TestNode(2, {
      conf: votersOf(1, 2, 3),
      log: leader.log.list,
      hard: { term: 1, vote: 1, commit: 0 },
    })
    const [first, second] = ['a', 'b'].map((data) => {
      leader.raft.propose([bytes(data)])
      return leader.drain().find((m) => m.type === 'appendEntries' && m.to === 2)
    })
    if (first === undefined || second === undefined) throw new Error('two appends')
    const [refusal] = follower.receive(second)
    expect(refusal).toMatchObject({ reject: true, index: 2, rejectHint: 1 })
    const [accepted] = follower.receive(first)
    expect(accepted).toMatchObject({ reject: false, index: 2 })
    // The leader heard of a failure, so that it probes; the acknowledgement of the first tells it what is missing.
    leader.raft.reportUnreachable(2)
    const again = leader.receive(accepted ?? first).filter((m) => m.to === 2 && m.entries.length > 0)
    expect(again).toMatchObject([{ index: second.index, entries: second.entries }])
    expect(leader.receive(refusal ?? first)).toEqual([])
    expect(leader.raft.progress()[1]).toMatchObject({ match: 2, next: 4, state: 'replicate' })
    for (const message of again) for (const answer of follower.receive(message)) leader.receive(answer)
    expect(leader.raft.progress()[1]).toMatchObject({ match: 3, next: 4 })
  })

  test('a heartbeat tells a follower no commit index beyond what it is known to have', () => {
    const node = settledLeader(3)
    node.raft.propose([bytes('x')])
    node.drain()
    node.receive(messageOf('appendEntriesResponse', 2, 1, 1, { index: 2 }))
    expect(node.commit).toBe(2)
    const heartbeats = node.ticks(1).filter((m) => m.type === 'heartbeat')
    expect(heartbeats.map(({ to, commit }) => ({ to, commit }))).toEqual([
      { to: 2, commit: 2 },
      { to: 3, commit: 1 },
    ])
  })
})

describe('commitment (§5.4.2)', () => {
  test('a leader counts replicas only for entries of its own term', () => {
    const conf = votersOf(1, 2)
    const node = new TestNode(1, { conf, log: entriesOf([1, 2]), hard: { term: 2, vote: 0, commit: 0 } })
    elect(node)
    node.receive(messageOf('appendEntriesResponse', 2, 1, 3, { index: 1 }))
    expect(node.commit).toBe(0)
    node.receive(messageOf('appendEntriesResponse', 2, 1, 3, { index: 2 }))
    expect(node.commit).toBe(0)
    node.receive(messageOf('appendEntriesResponse', 2, 1, 3, { index: 3 }))
    expect(node.commit).toBe(3)
  })

  test('figure 8: an old entry on a majority is replaced as long as nothing of a later term covers it', () => {
    const conf = votersOf(1, 2, 3, 4, 5)
    const node = (id: number, terms: number[], term: number): TestNode =>
      new TestNode(id, { conf, log: entriesOf(terms), hard: { term, vote: 0, commit: 1 } })
    // (c): 1 leads term 4 and has put its entry of term 2 on a majority.
    const net = new Network(
      node(1, [1, 2], 3),
      node(2, [1, 2], 3),
      node(3, [1], 3),
      node(4, [1], 3),
      node(5, [1, 3], 4),
    )
    net.isolate(4)
    net.isolate(5)
    net.node(1).raft.campaign()
    net.node(1).drain()
    for (const id of [2, 3]) net.node(1).raft.step(messageOf('requestVoteResponse', id, 1, 4))
    // Its first entry of term 4 goes nowhere: followers only say that they have index 2.
    net.node(1).drain()
    for (const id of [2, 3]) net.node(1).receive(messageOf('appendEntriesResponse', id, 1, 4, { index: 2 }))
    expect(net.node(1).commit).toBe(1)
    // (d): 5 is elected by 3 and 4 and replaces it everywhere.
    net.heal()
    net.isolate(1)
    net.isolate(2)
    net.campaign(5)
    expect(net.node(5).role).toBe('leader')
    net.heal()
    net.ticks(5, 2)
    for (const id of [1, 2, 3, 4]) expect(net.node(id).terms.slice(0, 2)).toEqual([1, 3])
  })
})
