import { describe, expect, test, vi } from 'vitest'
import type { ConfState } from '../../src/base/log-entry.ts'
import type { ConfChange, ConfChangeStep } from '../../src/raft/conf-change.ts'
import { encodeConfChange, LEAVE_JOINT } from '../../src/raft/conf-change.ts'
import type { Proposed } from '../../src/raft/raft.ts'
import { bytes, entriesOf, membersOf, messageOf, votersOf } from './harness/entries.ts'
import { Network } from './harness/network.ts'
import { elect, type NodeOptions, oneOf, TestNode } from './harness/node.ts'

function change(transition: ConfChange['transition'], ...changes: ConfChangeStep[]): ConfChange {
  return { transition, changes, context: new Uint8Array(0) }
}

const add = (replica: number): ConfChangeStep => ({ type: 'addVoter', replica })
const learn = (replica: number): ConfChangeStep => ({ type: 'addLearner', replica })
const remove = (replica: number): ConfChangeStep => ({ type: 'remove', replica })

/** Nodes 1 to `count` that all begin with `conf`; 1 leads. */
function group(count: number, conf: ConfState, options: NodeOptions = {}): Network {
  const ids = Array.from({ length: count }, (_, at) => at + 1)
  const net = new Network(...ids.map((id) => new TestNode(id, { conf, ...options })))
  net.campaign(1)
  return net
}

function proposeChange(net: Network, id: number, one: ConfChange): Proposed {
  const proposed = net.node(id).raft.proposeConfChange(one)
  net.run()
  return proposed
}

describe('changes of membership (§6)', () => {
  test('a voter and a learner are added, the learner is promoted, the voter removed', () => {
    const net = group(3, votersOf(1))
    proposeChange(net, 1, change('auto', add(2)))
    net.ticks(1, 1)
    proposeChange(net, 1, change('auto', learn(3)))
    net.ticks(1, 1)
    expect(net.node(3).conf).toEqual(membersOf([1, 2], [3]))
    proposeChange(net, 1, change('auto', add(3)))
    proposeChange(net, 1, change('auto', remove(2)))
    net.ticks(1, 1)
    expect(net.node(3).conf).toEqual(votersOf(1, 3))
    expect(net.propose(1, 'x')).toMatchObject({ term: 1 })
    expect(net.node(3).commit).toBe(net.node(1).commit)
  })

  test('several steps pass through a joint configuration that leaves by itself', () => {
    const net = group(4, votersOf(1, 2))
    proposeChange(net, 1, change('auto', add(3), add(4), remove(2)))
    net.ticks(1, 2)
    expect(net.node(1).conf).toEqual(votersOf(1, 3, 4))
  })

  test('an explicit joint configuration stays until it is left', () => {
    const net = group(3, votersOf(1, 2))
    proposeChange(net, 1, change('explicit', add(3)))
    net.ticks(1, 2)
    expect(net.node(3).conf).toMatchObject({ voters: [1, 2, 3], votersOutgoing: [1, 2], autoLeave: false })
    expect(proposeChange(net, 1, change('auto', remove(2)))).toEqual({ refused: 'confChangeInvalid' })
    expect(proposeChange(net, 1, LEAVE_JOINT)).toMatchObject({ term: 1 })
    net.ticks(1, 1)
    expect(net.node(3).conf).toEqual(votersOf(1, 2, 3))
  })

  test('while one change is not applied a second is refused, and an empty entry keeps its place', () => {
    const net = group(3, votersOf(1, 2, 3))
    const leader = net.node(1)
    leader.raft.proposeConfChange(change('auto', add(4)))
    expect(leader.raft.proposeConfChange(change('auto', add(5)))).toEqual({ refused: 'confChangePending' })
    net.run()
    expect(leader.log.list.slice(1).map((entry) => entry.type)).toEqual(['confChange', 'normal'])
  })

  test('a new leader proposes no change before everything it inherited is applied', () => {
    const node = new TestNode(1, {
      conf: votersOf(1, 2, 3),
      log: entriesOf([1, 1]),
      hard: { term: 1, vote: 0, commit: 0 },
    })
    elect(node)
    expect(node.raft.proposeConfChange(change('auto', add(4)))).toEqual({ refused: 'confChangePending' })
    node.receive(messageOf('appendEntriesResponse', 2, 1, 2, { index: 4 }))
    expect(node.raft.proposeConfChange(change('auto', add(4)))).toMatchObject({ term: 2 })
  })

  test('a change that would leave nobody to vote is refused', () => {
    const net = group(1, votersOf(1))
    expect(proposeChange(net, 1, change('auto', remove(1)))).toEqual({ refused: 'confChangeInvalid' })
    expect(proposeChange(net, 1, LEAVE_JOINT)).toEqual({ refused: 'confChangeInvalid' })
    expect(net.node(1).conf).toEqual(votersOf(1))
  })

  test('a change that is cut off the log before it is committed never counts', () => {
    const net = group(3, votersOf(1, 2, 3))
    net.isolate(1)
    proposeChange(net, 1, change('auto', remove(3)))
    net.campaign(2)
    net.propose(2, 'x')
    net.heal()
    net.ticks(2, 2)
    for (const node of net.nodes.values()) expect(node.conf).toEqual(votersOf(1, 2, 3))
  })

  test('a replica that has not applied a committed change does not run', () => {
    const data = encodeConfChange(change('auto', remove(3)))
    const log = [...entriesOf([1]), { term: 1, index: 2, type: 'confChange' as const, data }]
    const node = new TestNode(1, { conf: votersOf(1, 2, 3), log, hard: { term: 1, vote: 0, commit: 2 } })
    node.raft.campaign()
    expect(node.role).toBe('follower')
    node.drain()
    node.raft.campaign()
    expect(node.role).toBe('candidate')
  })

  test('to see a change that it has not applied, a replica that runs reads none of the entries', () => {
    const data = encodeConfChange(change('auto', remove(3)))
    const plain = entriesOf(Array.from({ length: 1_000 }, () => 1))
    const log = [...plain, { term: 1, index: 1_001, type: 'confChange' as const, data }]
    for (const [commit, role] of [
      [1_001, 'follower'],
      [1_000, 'candidate'],
    ] as const) {
      const node = new TestNode(1, { conf: votersOf(1, 2, 3), log, hard: { term: 1, vote: 0, commit } })
      const read = vi.spyOn(node.log, 'entries')
      node.raft.campaign()
      expect([node.role, read.mock.calls.length]).toEqual([role, 0])
    }
  })

  test('a learner gets the log, is not counted, and starts no election', () => {
    const net = group(2, membersOf([1], [2]))
    net.propose(1, 'x')
    expect(net.node(2).applied).toHaveLength(2)
    net.cut(1, 2)
    net.propose(1, 'y')
    expect(net.node(1).commit).toBe(3)
    net.ticks(2, 50)
    expect(net.node(2).raft.status()).toMatchObject({ role: 'follower', term: 1 })
  })

  test('a learner that was promoted runs, and may lead', () => {
    const net = group(2, membersOf([1], [2]))
    proposeChange(net, 1, change('auto', add(2)))
    net.ticks(1, 1)
    expect(net.node(2).conf).toEqual(votersOf(1, 2))
    net.ticks(2, 10)
    expect(net.node(2).role).toBe('leader')
    expect(net.node(1).raft.status()).toMatchObject({ role: 'follower', leader: 2 })
  })

  test('a learner that was promoted without knowing it votes, so that an election can end', () => {
    const node = new TestNode(3, { conf: membersOf([1, 2], [3]) })
    const sent = node.receive(messageOf('requestVote', 2, 3, 2, { index: 9, logTerm: 1 }))
    expect(sent).toMatchObject([{ type: 'requestVoteResponse', reject: false }])
  })

  test.each([
    { votes: [2, 3], wins: false },
    { votes: [4, 5], wins: false },
    { votes: [2, 4], wins: true },
  ])('in a joint configuration the votes of $votes win: $wins', ({ votes, wins }) => {
    const conf = { voters: [1, 4, 5], votersOutgoing: [1, 2, 3], learners: [], learnersNext: [], autoLeave: false }
    const node = new TestNode(1, { conf })
    node.raft.campaign()
    node.drain()
    for (const id of votes) node.receive(messageOf('requestVoteResponse', id, 1, 1))
    expect(node.role).toBe(wins ? 'leader' : 'candidate')
  })

  test.each([
    { acks: [2, 3], commits: false },
    { acks: [4, 5], commits: false },
    { acks: [2, 4], commits: true },
  ])('in a joint configuration the acknowledgements of $acks commit: $commits', ({ acks, commits }) => {
    const conf = { voters: [1, 4, 5], votersOutgoing: [1, 2, 3], learners: [], learnersNext: [], autoLeave: false }
    const node = new TestNode(1, { conf })
    elect(node)
    for (const id of acks) node.receive(messageOf('appendEntriesResponse', id, 1, 1, { index: 1 }))
    expect(node.commit).toBe(commits ? 1 : 0)
  })

  test('the next leader leaves a joint configuration that its predecessor entered', () => {
    const net = group(4, votersOf(1, 2, 3))
    const leader = net.node(1)
    leader.raft.proposeConfChange(change('implicit', add(4)))
    // The change is committed everywhere, and the leader gone before it could leave the joint configuration.
    for (const message of leader.drain()) net.node(message.to).raft.step(message)
    for (const id of [2, 3]) leader.receive(net.node(id).drain().at(-1) ?? messageOf('heartbeat', id, 1, 1))
    net.isolate(1)
    net.campaign(2)
    net.ticks(2, 3)
    expect(net.node(2).conf.votersOutgoing).toEqual([])
  })

  test('a leader that leaves with the old half hands over, and its heir leaves the joint configuration', () => {
    const net = group(4, votersOf(1, 2, 3), { stepDownOnRemoval: true })
    proposeChange(net, 1, change('implicit', remove(1), add(4)))
    // The first heir may be told before it has applied the change, and not run: after two timeouts another is tried.
    net.ticks(1, 21)
    const heir = [...net.nodes.values()].find((node) => node.role === 'leader')
    expect(heir?.conf).toEqual(votersOf(2, 3, 4))
    expect(heir?.term).toBe(2)
  })

  test('a leader that leaves hands over to who was heard from, nobody twice running, and takes proposals between tries', () => {
    const net = group(4, votersOf(1, 2, 3), { stepDownOnRemoval: true, checkQuorum: true })
    net.isolate(2)
    proposeChange(net, 1, change('implicit', remove(1), add(4)))
    const leader = net.node(1)
    net.ignore('timeoutNow')
    const transferees: number[] = []
    const refused: boolean[] = []
    for (let ticks = 0; ticks < 80; ticks++) {
      net.ticks(1, 1)
      transferees.push(leader.raft.status().transferee)
      refused.push('refused' in net.propose(1, 'x'))
    }
    const tried = transferees.filter((to, at) => to !== 0 && to !== transferees[at - 1])
    expect(tried.slice(0, 3)).toEqual(tried[0] === 3 ? [3, 4, 3] : [4, 3, 4])
    expect(tried).not.toContain(2)
    expect(refused).toEqual(transferees.map((to) => to !== 0))
    expect(refused.filter((one) => !one).length).toBeGreaterThan(30)
  })

  test('a joint configuration is left after a transfer that came to nothing', () => {
    const net = group(4, votersOf(1, 2, 3))
    const leader = net.node(1)
    leader.raft.proposeConfChange(change('implicit', add(4)))
    net.isolate(3)
    leader.raft.transferLeadership(3)
    net.run()
    expect(leader.conf.votersOutgoing).toEqual([1, 2, 3])
    net.ticks(1, 10)
    expect(leader.conf).toEqual(votersOf(1, 2, 3, 4))
  })

  test('losing a voter may commit what waited for it', () => {
    const net = group(2, votersOf(1, 2))
    net.node(1).raft.proposeConfChange(change('auto', remove(2)))
    const sent = net.node(1).drain()
    net.node(1).raft.propose([bytes('x')])
    net.node(1).drain()
    for (const message of sent) net.node(message.to).raft.step(message)
    net.cut(1, 2)
    net.node(1).receive(messageOf('appendEntriesResponse', 2, 1, 1, { index: 2 }))
    expect(net.node(1).commit).toBe(3)
  })

  test.each([true, false])(
    'a leader that removed itself steps down: %s, and takes no proposals',
    (stepDownOnRemoval) => {
      const net = group(3, votersOf(1, 2, 3), { stepDownOnRemoval })
      proposeChange(net, 1, change('auto', remove(1)))
      expect(net.node(1).role).toBe(stepDownOnRemoval ? 'follower' : 'leader')
      expect(net.node(1).raft.propose([bytes('x')])).toEqual({ refused: stepDownOnRemoval ? 'notLeader' : 'removed' })
      net.ticks(1, 40)
      expect(net.node(1).raft.status()).toMatchObject({ term: 1 })
      net.campaign(2)
      expect(net.node(2).role).toBe('leader')
    },
  )

  test('removing the heir ends a transfer', () => {
    const net = group(3, votersOf(1, 2, 3))
    const leader = net.node(1)
    leader.raft.proposeConfChange(change('auto', remove(3)))
    net.cut(1, 3)
    leader.raft.transferLeadership(3)
    net.run()
    expect(leader.raft.status().transferee).toBe(0)
  })

  test('a replica just added counts as active at the next quorum check', () => {
    const net = group(1, votersOf(1), { checkQuorum: true })
    net.ticks(1, 9)
    proposeChange(net, 1, change('auto', add(2)))
    net.ticks(1, 1)
    expect(net.node(1).role).toBe('leader')
  })

  test('messages for another replica are not acted upon', () => {
    expect(oneOf(3).raft.step(messageOf('heartbeat', 2, 3, 9))).toBe('misrouted')
  })
})
