import { describe, expect, test } from 'vitest'
import type { SnapshotMeta } from '../../src/base/log-entry.ts'
import { encodeConfChange } from '../../src/raft/conf-change.ts'
import { bytes, entriesOf, membersOf, messageOf, votersOf } from './harness/entries.ts'
import { Network } from './harness/network.ts'
import { elect, TestNode } from './harness/node.ts'

const CONF = votersOf(1, 2, 3)
const SNAPSHOT: SnapshotMeta = { index: 11, term: 4, confState: CONF }

function install(node: TestNode, snapshot: SnapshotMeta): ReturnType<TestNode['receive']> {
  return node.receive(messageOf('installSnapshot', 2, node.id, 4, { snapshot }))
}

/** A leader whose log begins at 12, so that whoever lacks 11 needs a snapshot. */
function compactedLeader(): TestNode {
  const node = new TestNode(1, { conf: CONF, log: entriesOf([4, 4], 12), hard: { term: 4, vote: 0, commit: 11 } })
  node.log.base = SNAPSHOT
  elect(node)
  return node
}

describe('installing a snapshot (§7)', () => {
  test('the log starts again behind it, with its configuration, and it is acknowledged when durable', () => {
    const node = new TestNode(1, { conf: votersOf(1, 2), log: entriesOf([1, 1]) })
    node.raft.step(messageOf('installSnapshot', 2, 1, 4, { snapshot: SNAPSHOT }))
    const ready = node.take()
    expect(ready.snapshot).toEqual(SNAPSHOT)
    expect(node.raft.status()).toMatchObject({ commit: 11, lastIndex: 11, applied: 0, confState: CONF })
    node.persist(ready)
    expect(node.raft.status().applied).toBe(11)
    expect(node.outbox).toMatchObject([{ type: 'appendEntriesResponse', index: 11 }])
    expect(node.log.firstIndex()).toBe(12)
  })

  test('a snapshot and the append behind it can be made durable together, in that order', () => {
    const node = new TestNode(1, { conf: CONF })
    node.raft.step(messageOf('installSnapshot', 2, 1, 4, { snapshot: SNAPSHOT }))
    const append = { index: 11, logTerm: 4, entries: entriesOf([4, 4], 12), commit: 13 }
    node.raft.step(messageOf('appendEntries', 2, 1, 4, append))
    const ready = node.take()
    expect(ready.snapshot).toEqual(SNAPSHOT)
    expect(ready.entries.map((entry) => entry.index)).toEqual([12, 13])
    expect(ready.committed).toEqual([])
    node.persist(ready)
    node.drain()
    expect(node.applied.map((entry) => entry.index)).toEqual([12, 13])
  })

  test('a change handed out before it came is applied to the configuration of the state machine, not to its own', () => {
    const data = encodeConfChange({ transition: 'auto', changes: [{ type: 'remove', replica: 3 }], context: bytes('') })
    const log = [...entriesOf([4]), { term: 4, index: 2, type: 'confChange' as const, data }]
    const node = new TestNode(1, { conf: CONF, log, hard: { term: 4, vote: 0, commit: 2 } })
    const slow = node.take()
    expect(slow.committed).toHaveLength(2)
    const newer = { index: 9, term: 4, confState: votersOf(1, 2, 4) }
    node.raft.step(messageOf('installSnapshot', 2, 1, 4, { snapshot: newer }))
    const ready = node.take()
    node.apply(slow.committed)
    expect(node.conf).toEqual(votersOf(1, 2))
    expect(node.raft.status().confState).toEqual(newer.confState)
    node.persist(ready)
    node.drain()
    expect(node.raft.status()).toMatchObject({ confState: newer.confState, applied: 9 })
    expect(
      node.raft.applyConfChange({ transition: 'auto', changes: [{ type: 'update', replica: 1 }], context: bytes('') }),
    ).toEqual(newer.confState)
  })

  test('one that is older than the commit index is answered with that index and ignored', () => {
    const node = new TestNode(1, { conf: CONF, log: entriesOf([1, 1, 1]), hard: { term: 4, vote: 0, commit: 3 } })
    const sent = install(node, { ...SNAPSHOT, index: 2, term: 1 })
    expect(sent).toMatchObject([{ type: 'appendEntriesResponse', index: 3 }])
    expect(node.terms).toEqual([1, 1, 1])
  })

  test('one that ends before what was compacted here is ignored too', () => {
    const node = new TestNode(1, { conf: CONF, log: entriesOf([4, 4], 12), hard: { term: 4, vote: 0, commit: 12 } })
    const sent = install(node, { ...SNAPSHOT, index: 5, term: 2 })
    expect(sent).toMatchObject([{ type: 'appendEntriesResponse', index: 12 }])
    expect(node.raft.status()).toMatchObject({ commit: 12, lastIndex: 13 })
  })

  test('an append from before what was compacted is no conflict: it is answered with the commit index', () => {
    const node = new TestNode(1, { conf: CONF, log: entriesOf([4, 4], 12), hard: { term: 4, vote: 0, commit: 12 } })
    for (const index of [3, 10, 11]) {
      const late = { index, logTerm: 2, entries: entriesOf([2, 2, 2, 2], index + 1), commit: 12 }
      const sent = node.receive(messageOf('appendEntries', 2, 1, 4, late))
      expect(sent).toMatchObject([{ type: 'appendEntriesResponse', index: 12, reject: false }])
    }
    expect(node.terms).toEqual([4, 4])
    expect(node.raft.status()).toMatchObject({ commit: 12, lastIndex: 13 })
  })

  test('who sends it is the leader', () => {
    const node = new TestNode(1, { conf: CONF })
    install(node, SNAPSHOT)
    expect(node.raft.status()).toMatchObject({ role: 'follower', leader: 2, term: 4 })
  })

  test('one whose last entry the log has only moves the commit index', () => {
    const node = new TestNode(1, { conf: CONF, log: entriesOf([1, 1, 1]), hard: { term: 4, vote: 0, commit: 1 } })
    node.raft.step(messageOf('installSnapshot', 2, 1, 4, { snapshot: { ...SNAPSHOT, index: 2, term: 1 } }))
    const ready = node.take()
    expect(ready.snapshot).toBeUndefined()
    expect(node.commit).toBe(2)
    expect(node.raft.status().lastIndex).toBe(3)
  })

  test('a log that goes on differently behind it is thrown away', () => {
    const node = new TestNode(1, { conf: CONF, log: entriesOf([1, 1, 1]), hard: { term: 4, vote: 0, commit: 1 } })
    install(node, { ...SNAPSHOT, index: 2, term: 3 })
    expect(node.log.lastIndex()).toBe(2)
    expect(node.raft.status().lastIndex).toBe(2)
  })

  test('one that does not know this replica is refused', () => {
    const node = new TestNode(4, { conf: votersOf(4) })
    install(node, SNAPSHOT)
    expect(node.raft.status()).toMatchObject({ commit: 0, lastIndex: 0 })
  })

  test('a learner takes one that names it as a learner, and a voter may become one through it', () => {
    const node = new TestNode(3, { conf: CONF })
    install(node, { ...SNAPSHOT, confState: membersOf([1, 2], [3]) })
    expect(node.raft.status().confState.learners).toEqual([3])
    expect(node.ticks(30)).toEqual([])
  })

  test('a learner becomes a voter through one, and may run then', () => {
    const node = new TestNode(3, { conf: membersOf([1, 2], [3]) })
    install(node, SNAPSHOT)
    expect(node.raft.status().confState).toEqual(CONF)
    node.raft.campaign()
    expect(node.role).toBe('candidate')
  })

  test('one taken within a joint configuration brings both halves with it', () => {
    const confState = { voters: [1, 3], votersOutgoing: [1, 2], learners: [4], learnersNext: [2], autoLeave: true }
    const node = new TestNode(3, { conf: votersOf() })
    install(node, { ...SNAPSHOT, confState })
    expect(node.raft.status().confState).toEqual(confState)
    node.raft.campaign()
    node.drain()
    node.receive(messageOf('requestVoteResponse', 1, 3, node.term))
    expect(node.role).toBe('candidate')
    node.receive(messageOf('requestVoteResponse', 2, 3, node.term))
    expect(node.role).toBe('leader')
  })

  test('a replica with a snapshot under way does not run for leader', () => {
    const node = new TestNode(1, { conf: CONF })
    node.raft.step(messageOf('installSnapshot', 2, 1, 4, { snapshot: SNAPSHOT }))
    node.raft.campaign()
    expect(node.role).toBe('follower')
  })
})

describe('sending a snapshot (§7)', () => {
  test('a follower whose next entry is gone gets one, and nothing else until it is settled', () => {
    const leader = compactedLeader()
    leader.receive(messageOf('heartbeatResponse', 2, 1, 5))
    const sent = leader.receive(messageOf('appendEntriesResponse', 2, 1, 5, { index: 13, reject: true, rejectHint: 3 }))
    expect(sent).toMatchObject([{ type: 'installSnapshot', to: 2, snapshot: SNAPSHOT }])
    expect(leader.raft.progress()[1]).toMatchObject({ state: 'snapshot', pendingSnapshot: 11, next: 12, paused: true })
    leader.raft.propose([bytes('x')])
    expect(leader.drain().filter((m) => m.to === 2)).toEqual([])
  })

  test.each([
    { ok: true, next: 12 },
    { ok: false, next: 1 },
  ])('told ok=$ok, probing goes on at $next with the next answer', ({ ok, next }) => {
    const leader = compactedLeader()
    leader.receive(messageOf('heartbeatResponse', 2, 1, 5))
    leader.receive(messageOf('appendEntriesResponse', 2, 1, 5, { index: 13, reject: true, rejectHint: 3 }))
    leader.raft.reportSnapshot(2, ok)
    expect(leader.raft.progress()[1]).toMatchObject({ state: 'probe', next, paused: true })
    const sent = leader.receive(messageOf('heartbeatResponse', 2, 1, 5))
    expect(sent[0]?.type).toBe(ok ? 'appendEntries' : 'installSnapshot')
  })

  test('an acknowledgement that reaches the log ends the wait, whatever snapshot it came from', () => {
    const leader = compactedLeader()
    leader.receive(messageOf('heartbeatResponse', 2, 1, 5))
    leader.receive(messageOf('appendEntriesResponse', 2, 1, 5, { index: 13, reject: true, rejectHint: 3 }))
    const sent = leader.receive(messageOf('appendEntriesResponse', 2, 1, 5, { index: 11 }))
    expect(sent[0]).toMatchObject({ type: 'appendEntries', index: 11 })
    expect(leader.raft.progress()[1]).toMatchObject({ state: 'replicate', match: 11 })
  })

  test('none goes to a replica that was silent lately', () => {
    const leader = new TestNode(1, { conf: CONF, checkQuorum: true })
    elect(leader)
    leader.receive(messageOf('appendEntriesResponse', 2, 1, 1, { index: 1 }))
    leader.raft.propose([bytes('a'), bytes('b')])
    leader.drain()
    leader.receive(messageOf('appendEntriesResponse', 3, 1, 1, { index: 3 }))
    leader.log.compact({ index: 3, term: 1, confState: CONF })
    leader.ticks(10)
    leader.receive(messageOf('heartbeatResponse', 3, 1, 1))
    leader.raft.reportUnreachable(2)
    leader.raft.propose([bytes('c')])
    expect(leader.drain().filter((m) => m.to === 2)).toEqual([])
    const sent = leader.receive(messageOf('heartbeatResponse', 2, 1, 1))
    expect(sent).toMatchObject([{ type: 'installSnapshot', to: 2 }])
  })

  test('none goes while none can be had', () => {
    const leader = compactedLeader()
    const refusal = messageOf('appendEntriesResponse', 2, 1, 5, { index: 13, reject: true, rejectHint: 3 })
    leader.log.snapshot = () => undefined
    expect(leader.receive(refusal)).toEqual([])
    expect(leader.raft.progress()[1]?.state).toBe('probe')
  })

  test('a follower that is far behind is brought up through a snapshot and what follows it', () => {
    const leader = compactedLeader()
    const net = new Network(leader, new TestNode(2, { conf: CONF }), new TestNode(3, { conf: CONF }))
    net.run()
    net.ticks(1, 3)
    for (const id of [2, 3]) {
      leader.raft.reportSnapshot(id, true)
      expect(net.node(id).log.base).toEqual(SNAPSHOT)
    }
    net.ticks(1, 2)
    for (const id of [2, 3]) expect(net.node(id).terms).toEqual([4, 4, 5])
    expect(leader.commit).toBe(14)
  })
})
