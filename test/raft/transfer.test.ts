import { describe, expect, test } from 'vitest'
import { bytes, membersOf, messageOf } from './harness/entries.ts'
import { Network, networkOf } from './harness/network.ts'
import { elect, oneOf, TestNode } from './harness/node.ts'

describe('leadership transfer (§3.10 of the dissertation)', () => {
  test.each([false, true])(
    'goes to an up-to-date follower within one round, pre-vote and leases or not: %s',
    (strict) => {
      const net = networkOf(3, { preVote: strict, checkQuorum: strict })
      net.campaign(1)
      net.node(1).raft.transferLeadership(2)
      net.run()
      expect(net.node(2).role).toBe('leader')
      expect(net.node(1).raft.status()).toMatchObject({ role: 'follower', leader: 2, term: 2 })
    },
  )

  test('can be asked for at a follower', () => {
    const net = networkOf(3)
    net.campaign(1)
    net.node(2).raft.transferLeadership(3)
    net.run()
    expect(net.node(3).role).toBe('leader')
  })

  test('waits until a follower that is behind has caught up', () => {
    const net = networkOf(3)
    net.campaign(1)
    net.isolate(3)
    net.propose(1, 'a', 'b')
    net.heal()
    net.node(1).raft.transferLeadership(3)
    expect(net.node(1).raft.status().transferee).toBe(3)
    net.run()
    net.ticks(1, 1)
    expect(net.node(3).role).toBe('leader')
  })

  test('refuses proposals meanwhile, and takes them again when it has given up after an election timeout', () => {
    const net = networkOf(3)
    net.campaign(1)
    net.isolate(3)
    net.propose(1, 'a')
    net.node(1).raft.transferLeadership(3)
    expect(net.propose(1, 'b')).toEqual({ refused: 'transferring' })
    net.ticks(1, 10)
    expect(net.node(1).raft.status()).toMatchObject({ role: 'leader', transferee: 0 })
    expect(net.propose(1, 'b')).toEqual({ term: 1, index: 3 })
  })

  test('to oneself, to a learner or to a stranger does nothing', () => {
    const node = new TestNode(1, { conf: membersOf([1, 2], [3]) })
    elect(node)
    for (const to of [1, 3, 9]) {
      node.raft.transferLeadership(to)
      expect(node.raft.status().transferee).toBe(0)
    }
    expect(node.drain()).toEqual([])
  })

  test('asking again for the same heir changes nothing, asking for another replaces it', () => {
    const node = oneOf(3)
    elect(node)
    node.raft.transferLeadership(2)
    node.raft.transferLeadership(2)
    expect(node.raft.status().transferee).toBe(2)
    node.raft.transferLeadership(3)
    expect(node.raft.status().transferee).toBe(3)
    node.raft.transferLeadership(1)
    expect(node.raft.status().transferee).toBe(0)
  })

  test('the last heir named is the one that leads', () => {
    const net = networkOf(3)
    net.campaign(1)
    net.isolate(3)
    net.propose(1, 'a')
    net.node(1).raft.transferLeadership(3)
    net.node(1).raft.transferLeadership(2)
    net.run()
    expect(net.node(2).role).toBe('leader')
    net.heal()
    net.ticks(2, 2)
    expect([...net.nodes.values()].map((node) => node.role)).toEqual(['follower', 'leader', 'follower'])
  })

  test.each(['heartbeat', 'requestVote'] as const)('ends when a %s of a higher term comes', (type) => {
    const node = oneOf(3)
    elect(node)
    node.raft.transferLeadership(2)
    node.receive(messageOf(type, 3, 1, 5, { index: 9, logTerm: 4 }))
    expect(node.raft.status()).toMatchObject({ role: 'follower', transferee: 0 })
  })

  test('a replica that was removed does not run when it is told to', () => {
    const node = new TestNode(4, { conf: oneOf(3).conf })
    expect(node.receive(messageOf('timeoutNow', 1, 4, 1))).toEqual([])
    expect(node.role).toBe('follower')
  })

  test('a learner that is told to run does not', () => {
    const node = new TestNode(3, { conf: membersOf([1, 2], [3]) })
    expect(node.receive(messageOf('timeoutNow', 1, 3, 1))).toEqual([])
    expect(node.raft.status()).toMatchObject({ role: 'follower', term: 1 })
  })

  test('asking again for the same heir buys no more time', () => {
    const net = networkOf(3)
    net.campaign(1)
    net.isolate(3)
    net.propose(1, 'a')
    net.node(1).raft.transferLeadership(3)
    net.ticks(1, 6)
    net.node(1).raft.transferLeadership(3)
    net.ticks(1, 4)
    expect(net.node(1).raft.status()).toMatchObject({ role: 'leader', transferee: 0 })
  })

  test('an heir that needs a snapshot first takes over once it has it', () => {
    const net = networkOf(3)
    net.campaign(1)
    net.isolate(3)
    net.propose(1, 'a', 'b')
    const leader = net.node(1)
    leader.log.compact({ index: 3, term: 1, confState: leader.conf })
    net.heal()
    leader.raft.transferLeadership(3)
    net.ticks(1, 2)
    expect(net.node(3).log.base.index).toBe(3)
    expect(net.node(3).role).toBe('leader')
  })

  test('making the heir a learner ends it', () => {
    const net = networkOf(3)
    net.campaign(1)
    const leader = net.node(1)
    const changes = [{ type: 'addLearner' as const, replica: 3 }]
    leader.raft.proposeConfChange({ transition: 'auto', changes, context: new Uint8Array(0) })
    net.cut(1, 3)
    leader.raft.transferLeadership(3)
    net.run()
    expect(leader.raft.status()).toMatchObject({ role: 'leader', transferee: 0 })
  })

  test('taken back by naming the leader itself, it leaves everything as it was', () => {
    const net = networkOf(3)
    net.campaign(1)
    net.isolate(3)
    net.propose(1, 'a')
    net.node(1).raft.transferLeadership(3)
    net.node(1).raft.transferLeadership(1)
    expect(net.propose(1, 'b')).toMatchObject({ term: 1 })
    net.heal()
    net.ticks(1, 2)
    expect(net.node(1).raft.status()).toMatchObject({ role: 'leader', term: 1 })
  })

  test('sends the heir its last entries, then the word to run', () => {
    const net = new Network(...[1, 2, 3].map((id) => oneOf(3, id)))
    net.campaign(1)
    const leader = net.node(1)
    leader.raft.propose([bytes('x')])
    leader.drain()
    leader.raft.transferLeadership(2)
    leader.drain()
    const sent = leader.receive(messageOf('appendEntriesResponse', 2, 1, 1, { index: 2 }))
    expect(sent.map((m) => m.type)).toContain('timeoutNow')
  })
})
