import { describe, expect, test } from 'vitest'
import { bytes, entriesOf, membersOf, messageOf } from './harness/entries.ts'
import { networkOf } from './harness/network.ts'
import { oneOf, TestNode } from './harness/node.ts'
import { asleep, ELECTION, IDLE, options, sleeping } from './harness/sleeping.ts'

describe('a group in which nothing happens', () => {
  test('sleeps after the idle ticks, and then nobody sends or campaigns however long it is ticked', () => {
    const net = networkOf(3, options())
    net.campaign(1)
    net.ticks(1, IDLE - 1)
    expect(asleep(net)).toEqual([])
    net.ticks(1, 1)
    expect(asleep(net)).toEqual([1, 2, 3])
    const { length } = net.delivered
    for (const id of [1, 2, 3]) net.ticks(id, 10 * ELECTION)
    expect(net.delivered).toHaveLength(length)
    expect([1, 2, 3].map((id) => net.node(id).raft.status())).toMatchObject([
      { role: 'leader', leader: 1, term: 1, commit: 1 },
      { role: 'follower', leader: 1, term: 1, commit: 1 },
      { role: 'follower', leader: 1, term: 1, commit: 1 },
    ])
  })

  test('stays awake while it is asked for something', () => {
    const net = networkOf(3, options())
    net.campaign(1)
    for (let i = 0; i < 10; i++) {
      if (i % 2 === 0) net.propose(1, 'x')
      else net.node(1).raft.readIndex(i)
      net.ticks(1, IDLE - 1)
      expect(asleep(net)).toEqual([])
    }
    net.ticks(1, 1)
    expect(asleep(net)).toEqual([1, 2, 3])
  })

  test('of a single voter sleeps alone', () => {
    const node = oneOf(1, 1, options())
    node.raft.campaign()
    node.drain()
    expect(node.ticks(IDLE)).toEqual([])
    expect(node.raft.quiesced).toBe(true)
  })

  test('never sleeps without the option', () => {
    const net = networkOf(3)
    net.campaign(1)
    net.ticks(1, 100)
    expect(asleep(net)).toEqual([])
  })
})

describe('a leader lets its group sleep only once everybody has everything', () => {
  test('a voter that lacks an entry keeps it awake', () => {
    const net = networkOf(3, options())
    net.campaign(1)
    net.cut(1, 3)
    net.propose(1, 'x')
    net.ticks(1, 3 * IDLE)
    expect(asleep(net)).toEqual([])
    net.heal()
    net.ticks(1, 3)
    expect(asleep(net)).toEqual([1, 2, 3])
  })

  test('so does a learner', () => {
    const conf = membersOf([1], [2])
    const net = networkOf(0)
    for (const id of [1, 2]) net.nodes.set(id, new TestNode(id, { conf, ...options() }))
    net.cut(1, 2)
    net.campaign(1)
    net.ticks(1, 3 * IDLE)
    expect(asleep(net)).toEqual([])
    net.heal()
    net.ticks(1, 3)
    expect(asleep(net)).toEqual([1, 2])
  })

  test('a member that has everything and is silent keeps it awake', () => {
    const net = networkOf(3, { ...options(), quiescence: { idleTicks: 2 * ELECTION, silentTicks: () => 0 } })
    net.campaign(1)
    net.isolate(3)
    net.ticks(1, 5 * ELECTION)
    expect(asleep(net)).toEqual([])
  })

  test('a member that lost its state keeps it awake, though its log is whole', () => {
    const net = networkOf(3, options())
    net.campaign(1)
    net.ignore('installSnapshot')
    const log = net.node(3).log.list.slice()
    net.nodes.set(3, oneOf(3, 3, { ...options(), log, hard: { term: 1, vote: 1, commit: 1 }, needsSnapshot: true }))
    net.ticks(1, 5 * IDLE)
    expect(net.node(3).raft.status()).toMatchObject({ leader: 1, commit: 1, needsSnapshot: true })
    expect(asleep(net)).toEqual([])
  })

  test('an entry that it has not applied keeps it awake', () => {
    const node = oneOf(1, 1, options())
    node.raft.campaign()
    node.drain()
    node.raft.propose([bytes('x')])
    const unapplied = []
    while (node.raft.hasReady()) {
      const ready = node.take()
      node.log.write(ready)
      node.raft.persisted(ready.token)
      unapplied.push(...ready.committed)
    }
    for (let i = 0; i < 3 * IDLE; i++) node.raft.tick()
    expect(node.raft.quiesced).toBe(false)
    node.apply(unapplied)
    node.raft.tick()
    expect(node.raft.quiesced).toBe(true)
  })

  test('a transfer of leadership under way keeps it awake', () => {
    const net = networkOf(3, { ...options(), quiescence: { idleTicks: 1, silentTicks: () => 0 } })
    net.campaign(1)
    net.ignore('timeoutNow')
    net.node(1).raft.transferLeadership(2)
    net.run()
    net.ticks(1, ELECTION - 2)
    expect(asleep(net)).toEqual([])
    net.heal()
    net.ticks(1, 4)
    expect(asleep(net)).toEqual([1, 2, 3])
  })
})

describe('a follower', () => {
  test('that lacks something does not sleep and calls its leader', () => {
    const node = oneOf(3, 2, { ...options(), log: entriesOf([1]), hard: { term: 1, vote: 1, commit: 0 } })
    const sent = node.receive(messageOf('quiesce', 1, 2, 1, { index: 2, logTerm: 1, commit: 2 }))
    expect(sent).toMatchObject([{ type: 'wake', to: 1, term: 0 }])
    expect(node.raft.quiesced).toBe(false)
  })

  test('that has applied all it has and lacks an entry does not sleep either', () => {
    const node = oneOf(3, 2, { ...options(), log: entriesOf([1]), hard: { term: 1, vote: 1, commit: 1 } })
    node.drain()
    const sent = node.receive(messageOf('quiesce', 1, 2, 1, { index: 2, logTerm: 1, commit: 2 }))
    expect(sent).toMatchObject([{ type: 'wake', to: 1 }])
    expect(node.raft.quiesced).toBe(false)
  })

  test('that has not applied everything does not sleep yet', () => {
    const node = oneOf(3, 2, { ...options(), log: entriesOf([1]), hard: { term: 1, vote: 1, commit: 0 } })
    const quiesce = messageOf('quiesce', 1, 2, 1, { index: 1, logTerm: 1, commit: 1 })
    expect(node.receive(quiesce)).toMatchObject([{ type: 'wake', to: 1 }])
    expect(node.commit).toBe(1)
    expect(node.receive(quiesce)).toEqual([])
    expect(node.raft.quiesced).toBe(true)
  })

  test('with another entry at the same index does not sleep', () => {
    const node = oneOf(3, 2, { ...options(), log: entriesOf([1]), hard: { term: 2, vote: 1, commit: 0 } })
    const sent = node.receive(messageOf('quiesce', 1, 2, 2, { index: 1, logTerm: 2, commit: 1 }))
    expect(sent).toMatchObject([{ type: 'wake' }])
    expect(node.commit).toBe(0)
  })

  test('that lost its state does not sleep: it has to ask for a snapshot', () => {
    const lost = { log: entriesOf([1]), hard: { term: 1, vote: 1, commit: 1 }, needsSnapshot: true }
    const node = oneOf(3, 2, { ...options(), ...lost })
    const sent = node.receive(messageOf('quiesce', 1, 2, 1, { index: 1, logTerm: 1, commit: 1 }))
    expect(sent).toMatchObject([{ type: 'wake', to: 1 }])
    expect(node.raft.quiesced).toBe(false)
  })

  test('of a later term tells the old leader, which steps down', () => {
    const net = sleeping()
    const late = oneOf(3, 2, { ...options(), hard: { term: 9, vote: 0, commit: 0 } })
    const sent = late.receive(messageOf('quiesce', 1, 2, 1, { index: 1, logTerm: 1, commit: 1 }))
    expect(sent).toMatchObject([{ type: 'appendEntriesResponse', term: 9 }])
    net.send(...sent)
    expect(net.node(1).raft.status()).toMatchObject({ role: 'follower', term: 9 })
    expect(net.node(1).raft.quiesced).toBe(false)
  })

  test('that never sleeps keeps its leader awake', () => {
    const net = networkOf(3, options())
    net.nodes.set(3, oneOf(3, 3, { preVote: true, checkQuorum: true }))
    net.campaign(1)
    net.ticks(1, 2 * IDLE - 1)
    expect(net.node(1).raft.quiesced).toBe(false)
  })
})

test('reads by lease and sleep do not go together', () => {
  expect(() => oneOf(3, 1, { ...options(), leaseReads: true })).toThrow(/lease/)
})
