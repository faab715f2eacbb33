import { describe, expect, test } from 'vitest'
import { bytes, entriesOf, messageOf, text, votersOf } from './harness/entries.ts'
import { networkOf } from './harness/network.ts'
import { elect, oneOf, TestNode } from './harness/node.ts'

describe('bounds', () => {
  test('a leader without quorum takes no more than its bound of payload, and one large piece when it has nothing', () => {
    const node = oneOf(3, 1, { maxUncommittedBytes: 10 })
    elect(node)
    expect(node.raft.propose([bytes('a'.repeat(50))])).toMatchObject({ index: 2 })
    expect(node.raft.propose([bytes('b')])).toEqual({ refused: 'tooMuchUncommitted' })
    // Empty entries weigh nothing: leaving a joint configuration must always be possible.
    expect(node.raft.propose([new Uint8Array(0)])).toMatchObject({ index: 3 })
    node.drain()
    node.receive(messageOf('appendEntriesResponse', 2, 1, 1, { index: 3 }))
    expect(node.raft.propose([bytes('c')])).toMatchObject({ index: 4 })
  })

  test('what is refused is not appended, not even in part', () => {
    const node = oneOf(3, 1, { maxUncommittedBytes: 10 })
    elect(node)
    node.raft.propose([bytes('12345')])
    expect(node.raft.propose([bytes('123'), bytes('456')])).toEqual({ refused: 'tooMuchUncommitted' })
    expect(node.raft.status().lastIndex).toBe(2)
  })

  test('a follower and a replica without a leader refuse proposals', () => {
    const net = networkOf(3)
    expect(net.propose(2, 'x')).toEqual({ refused: 'notLeader' })
    net.campaign(1)
    expect(net.propose(2, 'x')).toEqual({ refused: 'notLeader' })
    expect(net.node(1).raft.status().lastIndex).toBe(1)
  })

  test('appends under way to one follower are bounded in messages and in bytes', () => {
    for (const limits of [{ maxInflightMessages: 3 }, { maxInflightBytes: 30 }]) {
      const node = oneOf(2, 1, { maxBytesPerMessage: 1, ...limits })
      elect(node)
      node.receive(messageOf('appendEntriesResponse', 2, 1, 1, { index: 1 }))
      for (let i = 0; i < 10; i++) node.raft.propose([bytes('0123456789')])
      expect(node.drain().filter((m) => m.type === 'appendEntries' && m.entries.length > 0)).toHaveLength(3)
      const more = node.receive(messageOf('appendEntriesResponse', 2, 1, 1, { index: 2 }))
      expect(more.filter((m) => m.type === 'appendEntries' && m.entries.length > 0)).toHaveLength(1)
    }
  })

  test('a window whose appends were all lost recovers through the answer to a heartbeat', () => {
    const net = networkOf(2, { maxInflightMessages: 2, maxBytesPerMessage: 1 })
    net.campaign(1)
    net.cut(1, 2)
    for (const data of ['a', 'b', 'c', 'd']) net.propose(1, data)
    expect(net.node(1).raft.progress()[1]).toMatchObject({ inflight: 2, paused: true })
    net.heal()
    net.ticks(1, 2)
    expect(net.node(2).applied.map((entry) => text(entry.data))).toEqual(['', 'a', 'b', 'c', 'd'])
  })

  test('a replica reported unreachable is sent one append at a time until it answers', () => {
    const node = oneOf(2)
    elect(node)
    node.receive(messageOf('appendEntriesResponse', 2, 1, 1, { index: 1 }))
    node.raft.propose([bytes('a')])
    node.raft.reportUnreachable(2)
    expect(node.raft.progress()[1]).toMatchObject({ state: 'probe', next: 2 })
    node.raft.propose([bytes('b')])
    node.raft.propose([bytes('c')])
    node.drain()
    expect(node.raft.progress()[1]).toMatchObject({ paused: true, next: 2 })
  })

  test('a message holds no more entries than its bound, but at least one', () => {
    const node = oneOf(2, 1, { maxBytesPerMessage: 60 })
    elect(node)
    node.receive(messageOf('appendEntriesResponse', 2, 1, 1, { index: 1 }))
    node.raft.propose(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(bytes))
    expect(node.drain().map((m) => m.entries.length)).toEqual([3])
    const large = oneOf(2, 1, { maxBytesPerMessage: 60 })
    elect(large)
    large.receive(messageOf('appendEntriesResponse', 2, 1, 1, { index: 1 }))
    large.raft.propose([bytes('x'.repeat(500)), bytes('a')])
    expect(large.drain().map((m) => m.entries.length)).toEqual([1])
  })

  test('what is being applied is bounded: nothing more is handed out until some of it is done', () => {
    const log = entriesOf([1, 1, 1, 1, 1])
    const node = new TestNode(1, {
      conf: votersOf(1, 2),
      log,
      maxCommittedBytesPerReady: 45,
      hard: { term: 1, vote: 0, commit: 5 },
    })
    const first = node.take().committed
    expect(first.map((entry) => entry.index)).toEqual([1, 2])
    expect(node.raft.hasReady()).toBe(false)
    node.apply(first)
    expect(node.take().committed.map((entry) => entry.index)).toEqual([3, 4])
  })
})
