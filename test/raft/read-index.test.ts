import { describe, expect, test } from 'vitest'
import { membersOf, messageOf } from './harness/entries.ts'
import { Network, networkOf } from './harness/network.ts'
import { elect, oneOf, TestNode } from './harness/node.ts'

describe('linearizable reads (§8; §6.4 of the dissertation)', () => {
  test('a read at the leader is answered after a round of heartbeats, at a follower through the leader', () => {
    const net = networkOf(3)
    net.campaign(1)
    net.propose(1, 'x')
    for (const id of [1, 3]) {
      expect(net.node(id).raft.readIndex(40 + id)).toBe(true)
      net.run()
      expect(net.node(id).readStates).toEqual([{ index: 2, context: 40 + id }])
    }
  })

  test('a leader that cannot reach a quorum answers no read', () => {
    const net = networkOf(3)
    net.campaign(1)
    net.isolate(1)
    net.node(1).raft.readIndex(7)
    net.ticks(1, 5)
    expect(net.node(1).readStates).toEqual([])
  })

  test('a new leader answers a read only when it has committed in its term, and then from the newer index', () => {
    const node = oneOf(3)
    elect(node)
    expect(node.raft.readIndex(7)).toBe(true)
    expect(node.drain()).toEqual([])
    node.receive(messageOf('heartbeatResponse', 2, 1, 1))
    expect(node.readStates).toEqual([])
    const sent = node.receive(messageOf('appendEntriesResponse', 2, 1, 1, { index: 1 }))
    const context = sent.find((m) => m.type === 'heartbeat')?.context ?? 0
    expect(context).toBeGreaterThan(0)
    node.receive(messageOf('heartbeatResponse', 2, 1, 1, { context }))
    expect(node.readStates).toEqual([{ index: 1, context: 7 }])
  })

  test('a lone voter that restarted with an older commit index waits for its own first entry', () => {
    const node = oneOf(1)
    elect(node)
    node.raft.propose([new Uint8Array(1)])
    node.drain()
    const again = oneOf(1, 1, { log: node.log.list, hard: { ...node.log.hard, commit: 1 } })
    again.raft.campaign()
    again.persist(again.take())
    again.raft.readIndex(5)
    expect(again.take().readStates).toEqual([])
    const second = oneOf(1, 1, { log: node.log.list, hard: { ...node.log.hard, commit: 1 } })
    elect(second)
    second.raft.readIndex(6)
    second.drain()
    expect(second.readStates).toEqual([{ index: 3, context: 6 }])
  })

  test('what waits is answered once a change leaves nobody who has to confirm it', () => {
    const net = networkOf(2)
    net.campaign(1)
    net.ignore('heartbeatResponse')
    net.node(1).raft.readIndex(9)
    net.run()
    expect(net.node(1).readStates).toEqual([])
    const changes = [{ type: 'remove', replica: 2 } as const]
    net.node(1).raft.proposeConfChange({ transition: 'auto', changes, context: new Uint8Array(0) })
    net.run()
    expect(net.node(1).readStates).toEqual([{ index: 1, context: 9 }])
  })

  test('a learner may read, but its answers to heartbeats count for nobody', () => {
    const conf = membersOf([1, 2], [3])
    const net = new Network(...[1, 2, 3].map((id) => new TestNode(id, { conf })))
    net.campaign(1)
    net.node(3).raft.readIndex(8)
    net.run()
    expect(net.node(3).readStates).toEqual([{ index: 1, context: 8 }])
    net.cut(1, 2)
    net.node(3).raft.readIndex(9)
    net.run()
    expect(net.node(3).readStates).toHaveLength(1)
  })

  test('an answer to a heartbeat sent before the request confirms nothing', () => {
    const net = networkOf(3)
    net.campaign(1)
    const leader = net.node(1)
    leader.raft.tick()
    const early = leader.drain().filter((m) => m.type === 'heartbeat')
    leader.raft.readIndex(9)
    leader.drain()
    for (const m of early) leader.receive(messageOf('heartbeatResponse', m.to, 1, 1, { context: m.context }))
    expect(leader.readStates).toEqual([])
  })

  test('an answer to a heartbeat confirms only the reads that were asked for before it', () => {
    const net = networkOf(3)
    net.campaign(1)
    const leader = net.node(1)
    leader.raft.readIndex(5)
    const context = leader.drain()[0]?.context ?? 0
    leader.raft.readIndex(6)
    leader.drain()
    leader.receive(messageOf('heartbeatResponse', 2, 1, 1, { context }))
    expect(leader.readStates.map((read) => read.context)).toEqual([5])
  })

  test('what was confirmed in one leadership confirms nothing in the next', () => {
    const net = networkOf(3)
    net.campaign(1)
    net.node(1).raft.readIndex(5)
    net.run()
    expect(net.node(1).readStates).toHaveLength(1)
    net.campaign(2)
    net.campaign(1)
    expect(net.node(1).role).toBe('leader')
    net.isolate(1)
    net.node(1).raft.readIndex(6)
    net.run()
    // An answer that confirms nothing by itself has the old confirmations counted, if there are any.
    const term = net.node(1).term
    net.node(1).receive(messageOf('heartbeatResponse', 3, 1, term, { context: 0.5 }))
    expect(net.node(1).readStates).toHaveLength(1)
  })

  test('reads asked for in one turn share a round, and each gets its own answer', () => {
    const net = networkOf(3)
    net.campaign(1)
    const leader = net.node(1)
    for (const context of [5, 6, 7]) leader.raft.readIndex(context)
    const heartbeats = leader.drain()
    expect(heartbeats.map((m) => m.type)).toEqual(['heartbeat', 'heartbeat'])
    leader.receive(messageOf('heartbeatResponse', 2, 1, 1, { context: heartbeats[0]?.context ?? 0 }))
    expect(leader.readStates.map((read) => read.context)).toEqual([5, 6, 7])
  })

  test('equal contexts of two followers are two requests, and each is answered where it came from', () => {
    const net = networkOf(3)
    net.campaign(1)
    net.node(2).raft.readIndex(1)
    net.node(3).raft.readIndex(1)
    net.run()
    expect(net.node(2).readStates).toEqual([{ index: 1, context: 1 }])
    expect(net.node(3).readStates).toEqual([{ index: 1, context: 1 }])
  })

  test('a read is lost with the leadership it was asked under', () => {
    const net = networkOf(3)
    net.campaign(1)
    net.isolate(1)
    net.node(1).raft.readIndex(7)
    net.run()
    net.campaign(2)
    net.heal()
    net.ticks(2, 2)
    expect(net.node(1).role).toBe('follower')
    expect(net.node(1).readStates).toEqual([])
  })

  test('a leader that removed itself is not its own quorum', () => {
    const net = networkOf(2)
    net.campaign(1)
    const leader = net.node(1)
    leader.raft.proposeConfChange({
      transition: 'auto',
      changes: [{ type: 'remove', replica: 1 }],
      context: new Uint8Array(0),
    })
    net.run()
    expect(leader.role).toBe('leader')
    net.cut(1, 2)
    leader.raft.readIndex(4)
    net.run()
    expect(leader.readStates).toEqual([])
    net.heal()
    net.ticks(1, 1)
    expect(leader.readStates).toEqual([{ index: 2, context: 4 }])
  })

  test('without a known leader a read is refused', () => {
    expect(oneOf(3).raft.readIndex(1)).toBe(false)
  })

  test('requests that wait are bounded', () => {
    const net = networkOf(3)
    net.campaign(1)
    net.isolate(1)
    const accepted = Array.from({ length: 5000 }, (_, at) => net.node(1).raft.readIndex(at + 1)).filter(Boolean)
    expect(accepted).toHaveLength(4096)
  })

  test('a forced transfer vote does not let the old leader serve a stale read', () => {
    const net = networkOf(3, { checkQuorum: true })
    net.campaign(1)
    net.cut(1, 3)
    net.cut(1, 2)
    net.node(2).raft.step(messageOf('timeoutNow', 1, 2, 1))
    net.run()
    expect(net.node(2).role).toBe('leader')
    net.propose(2, 'newer')
    net.node(1).raft.readIndex(3)
    net.run()
    expect(net.node(1).readStates).toEqual([])
  })

  test('leases for reads rest on a leader that steps down without a quorum, so they are refused without that', () => {
    expect(() => oneOf(3, 1, { leaseReads: true })).toThrow('checkQuorum')
  })

  test('under leases a read is answered at once and the leader is not forgotten', () => {
    const net = networkOf(3, { leaseReads: true, checkQuorum: true })
    net.campaign(1)
    net.node(1).raft.readIndex(3)
    net.node(1).drain()
    expect(net.node(1).readStates).toEqual([{ index: 1, context: 3 }])
    net.node(2).raft.forgetLeader()
    expect(net.node(2).leader).toBe(1)
  })
})
