/** A replica whose log is whole and whose applied state is lost (an extension of §7). */
import { describe, expect, test } from 'vitest'
import type { SnapshotMeta } from '../../src/base/log-entry.ts'
import { encodeConfChange } from '../../src/raft/conf-change.ts'
import { bytes, entriesOf, membersOf, messageOf, votersOf } from './harness/entries.ts'
import { NOBODY } from './harness/memory-log.ts'
import { Network } from './harness/network.ts'
import { elect, type NodeOptions, TestNode } from './harness/node.ts'

const CONF = votersOf(1, 2, 3)

/** Replica 3 has entries 5 to 9 of term 2, of which 7 are known to be committed, and does not know its group. */
function damaged(options: NodeOptions = {}): TestNode {
  const log = entriesOf([2, 2, 2, 2, 2], 5)
  return new TestNode(3, { conf: NOBODY, log, hard: { term: 2, vote: 0, commit: 7 }, needsSnapshot: true, ...options })
}

function upTo(index: number, term = 2): SnapshotMeta {
  return { index, term, confState: CONF }
}

function install(node: TestNode, snapshot: SnapshotMeta): ReturnType<TestNode['receive']> {
  return node.receive(messageOf('installSnapshot', 1, 3, 2, { snapshot }))
}

describe('a replica that lost its state', () => {
  test('applies nothing and does not run, but votes by its log', () => {
    const node = damaged()
    expect(node.drain()).toEqual([])
    expect(node.ticks(50)).toEqual([])
    expect(node.applied).toEqual([])
    expect(node.raft.status()).toMatchObject({ role: 'follower', needsSnapshot: true, commit: 7, applied: 0 })
    const refused = node.receive(messageOf('requestVote', 1, 3, 3, { index: 8, logTerm: 2 }))
    expect(refused).toMatchObject([{ reject: true }])
    const granted = node.receive(messageOf('requestVote', 2, 3, 3, { index: 9, logTerm: 2 }))
    expect(granted).toMatchObject([{ type: 'requestVoteResponse', to: 2, term: 3, reject: false }])
  })

  test('takes and acknowledges entries, so that the group commits with it', () => {
    const node = damaged()
    const entries = entriesOf([2], 10)
    const sent = node.receive(messageOf('appendEntries', 1, 3, 2, { index: 9, logTerm: 2, entries, commit: 9 }))
    expect(sent).toMatchObject([{ type: 'appendEntriesResponse', index: 10, reject: false }])
    expect(node.raft.status()).toMatchObject({ commit: 9, applied: 0 })
    expect(node.applied).toEqual([])
  })

  test('asks with every answer to a heartbeat for a snapshot that reaches its log', () => {
    const node = damaged()
    const [answer] = node.receive(messageOf('heartbeat', 1, 3, 2))
    expect(answer).toMatchObject({ type: 'heartbeatResponse', reject: true, index: 4 })
    const ordinary = new TestNode(2, { conf: CONF }).receive(messageOf('heartbeat', 1, 2, 2))
    expect(ordinary).toMatchObject([{ reject: false, index: 0 }])
  })

  test.each([4, 6, 7, 9])('keeps its log behind a snapshot at %i, and applies what follows it', (index) => {
    const node = damaged()
    node.raft.step(messageOf('installSnapshot', 1, 3, 2, { snapshot: upTo(index) }))
    const ready = node.take()
    expect(ready).toMatchObject({ snapshot: upTo(index), keepsLog: true, committed: [] })
    // While it is being installed it asks for no other and is not applied to.
    expect(node.raft.hasReady()).toBe(false)
    expect(node.receive(messageOf('heartbeat', 1, 3, 2))).toMatchObject([{ reject: false }])
    node.persist(ready)
    const sent = node.drain()
    const commit = Math.max(7, index)
    expect(sent).toMatchObject([{ type: 'appendEntriesResponse', index: commit }])
    expect(node.terms).toEqual([2, 2, 2, 2, 2])
    expect(node.raft.status()).toMatchObject({ needsSnapshot: false, applied: commit, confState: CONF })
    expect(node.applied.map((entry) => entry.index)).toEqual([5, 6, 7, 8, 9].filter((i) => i > index && i <= commit))
    expect(node.receive(messageOf('heartbeat', 1, 3, 2))).toMatchObject([{ reject: false, index: 0 }])
  })

  test('starts its log again behind a snapshot that is beyond it', () => {
    const node = damaged()
    install(node, upTo(12))
    expect(node.log.base.index).toBe(12)
    expect(node.raft.status()).toMatchObject({ needsSnapshot: false, applied: 12, commit: 12, lastIndex: 12 })
  })

  test('refuses a snapshot from before its log, and one of a group that it is no member of', () => {
    const node = damaged()
    install(node, upTo(3))
    install(node, { ...upTo(8), confState: votersOf(1, 2) })
    expect(node.raft.status().needsSnapshot).toBe(true)
    expect(node.log.base.index).toBe(4)
  })

  test('takes one snapshot at a time, whichever kind is under way', () => {
    const node = damaged()
    node.raft.step(messageOf('installSnapshot', 1, 3, 2, { snapshot: upTo(12) }))
    const first = node.take()
    expect(first.keepsLog).toBe(false)
    // It ends where the new log begins, so that it would fit.
    node.raft.step(messageOf('installSnapshot', 1, 3, 2, { snapshot: upTo(12) }))
    expect(node.take().snapshot).toBeUndefined()
    expect(node.receive(messageOf('heartbeat', 1, 3, 2))[0]).toMatchObject({ reject: false })
    const other = damaged()
    other.raft.step(messageOf('installSnapshot', 1, 3, 2, { snapshot: upTo(6) }))
    expect(other.take().keepsLog).toBe(true)
    for (const index of [7, 12]) {
      other.raft.step(messageOf('installSnapshot', 1, 3, 2, { snapshot: upTo(index) }))
      expect(other.take().snapshot).toBeUndefined()
    }
  })

  test('tells a leader of an older term of its own, since it cannot run to spread it', () => {
    const node = damaged({ hard: { term: 5, vote: 3, commit: 7 } })
    const sent = node.receive(messageOf('heartbeat', 1, 3, 2))
    expect(sent).toMatchObject([{ type: 'appendEntriesResponse', to: 1, term: 5 }])
  })

  test('applies the changes of membership that came after the snapshot', () => {
    const data = encodeConfChange({
      transition: 'auto',
      changes: [{ type: 'addLearner', replica: 4 }],
      context: bytes(''),
    })
    const log = [...entriesOf([2, 2], 5), { term: 2, index: 7, type: 'confChange' as const, data }]
    const node = damaged({ log })
    install(node, upTo(5))
    expect(node.raft.status()).toMatchObject({ applied: 7, confState: membersOf([1, 2, 3], [4]) })
  })

  test('may run once it has a state again, and not while it is being installed', () => {
    const node = damaged()
    node.raft.step(messageOf('installSnapshot', 1, 3, 2, { snapshot: upTo(7) }))
    const ready = node.take()
    node.raft.campaign()
    expect(node.role).toBe('follower')
    node.persist(ready)
    node.drain()
    expect(node.ticks(10).some((m) => m.type === 'requestVote')).toBe(true)
  })
})

describe('the leader of a replica that lost its state', () => {
  const ask = messageOf('heartbeatResponse', 3, 1, 1, { reject: true, index: 2 })

  function leader(): TestNode {
    const node = new TestNode(1, { conf: CONF })
    elect(node)
    node.raft.propose([bytes('a'), bytes('b')])
    node.drain()
    for (const id of [2, 3]) node.receive(messageOf('appendEntriesResponse', id, 1, 1, { index: 3 }))
    node.log.newest = upTo(3, 1)
    return node
  }

  test('sends one snapshot and goes on replicating beside it', () => {
    const node = leader()
    expect(node.receive(ask)).toMatchObject([{ type: 'installSnapshot', to: 3, snapshot: { index: 3 } }])
    expect(node.receive(ask)).toEqual([])
    expect(node.raft.progress()[2]).toMatchObject({ state: 'replicate', match: 3, stateLost: true })
    node.raft.propose([bytes('c')])
    expect(node.drain().filter((m) => m.to === 3)).toMatchObject([{ type: 'appendEntries', entries: [{ index: 4 }] }])
  })

  test.each([true, false])('sends another when it is asked again after a report of ok=%s', (ok) => {
    const node = leader()
    node.receive(ask)
    node.raft.reportSnapshot(3, ok)
    expect(node.raft.progress()[2]).toMatchObject({ state: 'replicate', match: 3 })
    expect(node.receive(ask)).toMatchObject([{ type: 'installSnapshot', to: 3 }])
  })

  test('waits until it has a snapshot that reaches the log', () => {
    const node = leader()
    node.log.newest = upTo(1, 1)
    expect(node.receive(ask)).toEqual([])
    node.log.newest = upTo(2, 1)
    expect(node.receive(ask)).toMatchObject([{ type: 'installSnapshot', snapshot: { index: 2 } }])
  })

  test('does not hand leadership to it', () => {
    const node = leader()
    node.receive(ask)
    node.raft.transferLeadership(3)
    expect(node.raft.status().transferee).toBe(0)
    node.receive(messageOf('heartbeatResponse', 3, 1, 1))
    node.raft.transferLeadership(3)
    expect(node.raft.status().transferee).toBe(3)
  })
})

test('a group in which one replica lost its state goes on, and it catches up without a gap', () => {
  const net = new Network(...[1, 2, 3].map((id) => new TestNode(id, { conf: CONF })))
  net.campaign(1)
  net.propose(1, 'a', 'b', 'c')
  const old = net.node(3).log
  const again = new TestNode(3, {
    ...{ conf: NOBODY, log: old.list.slice(1), hard: old.hard, needsSnapshot: true },
  })
  net.nodes.set(3, again)
  net.isolate(2)
  net.propose(1, 'd')
  expect(net.node(1).commit).toBe(5)
  net.node(1).log.newest = { index: 2, term: 1, confState: CONF }
  net.ticks(1, 2)
  expect(again.applied.map((entry) => entry.index)).toEqual([3, 4, 5])
  net.propose(1, 'e')
  expect(again.applied.at(-1)?.index).toBe(6)
})

describe('a replica that finds its state damaged while it runs', () => {
  test('applies no more, and begins again at a snapshot from before what it had applied', () => {
    const log = entriesOf([2, 2, 2, 2, 2], 5)
    const node = new TestNode(3, { conf: CONF, log, hard: { term: 2, vote: 0, commit: 9 } })
    node.drain()
    expect(node.applied.map((entry) => entry.index)).toEqual([5, 6, 7, 8, 9])
    expect(node.raft.loseState()).toBe(true)
    expect(node.raft.loseState()).toBe(false)
    expect(node.raft.status()).toMatchObject({ needsSnapshot: true, applied: 0, commit: 9 })
    expect(() => node.raft.applied(9)).toThrow('lost')
    expect(node.ticks(50)).toEqual([])
    expect(node.receive(messageOf('heartbeat', 1, 3, 2))).toMatchObject([{ reject: true, index: 4 }])
    node.applied.length = 0
    install(node, upTo(6))
    expect(node.raft.status()).toMatchObject({ needsSnapshot: false, applied: 9, lastIndex: 9 })
    expect(node.applied.map((entry) => entry.index)).toEqual([7, 8, 9])
  })

  test('steps down if it leads, and tells the furthest voter that it knows of to run', () => {
    const network = new Network(...[1, 2, 3].map((id) => new TestNode(id, { conf: CONF })))
    network.campaign(1)
    network.propose(1, 'a')
    const { term } = network.node(1).raft.status()
    expect(network.node(1).raft.loseState()).toBe(true)
    expect(network.node(1).raft.status()).toMatchObject({ role: 'follower', leader: 0, term })
    network.run()
    const leaders = [2, 3].filter((id) => network.node(id).role === 'leader')
    expect(leaders).toHaveLength(1)
  })

  test('while a snapshot that restarts its log is being installed, has nothing to lose', () => {
    const node = new TestNode(3, { conf: CONF, log: entriesOf([2], 5), hard: { term: 2, vote: 0, commit: 5 } })
    node.drain()
    node.raft.step(messageOf('installSnapshot', 1, 3, 2, { snapshot: upTo(12) }))
    expect(node.raft.loseState()).toBe(false)
  })
})
