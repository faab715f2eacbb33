/** Ticks that the host missed, since it stood still: what a follower grants its leader, and a leader itself. */
import { describe, expect, test } from 'vitest'
import { messageOf } from './harness/entries.ts'
import { type NodeOptions, oneOf, type TestNode } from './harness/node.ts'

const TIMEOUT = 10
const HEARTBEAT = 3
const LONG = 100
const options: NodeOptions = { electionTicks: TIMEOUT, heartbeatTicks: HEARTBEAT, checkQuorum: true, preVote: true }

const heartbeat = (to: number) => messageOf('heartbeat', 2, to, 1)

function follower(): TestNode {
  const node = oneOf(3, 1, options)
  node.receive(heartbeat(1))
  return node
}

/** Of term 1, a moment after everybody answered. */
function leader(more: NodeOptions = {}): TestNode {
  const node = oneOf(3, 1, { ...options, preVote: false, ...more })
  node.raft.campaign()
  node.drain()
  for (const from of [2, 3]) node.receive(messageOf('requestVoteResponse', from, 1, 1))
  for (const from of [2, 3]) node.receive(messageOf('appendEntriesResponse', from, 1, 1, { index: 1 }))
  return node
}

/** What it sends in so many ticks. */
function tick(node: TestNode, ticks = 1): string[] {
  const types: string[] = []
  for (let i = 0; i < ticks; i++) {
    node.raft.tick()
    types.push(...node.drain().map(({ type }) => type))
  }
  return types
}

describe('a follower that missed ticks', () => {
  test('does nothing about it, and grants its leader one heartbeat interval', () => {
    const node = follower()
    node.raft.missTicks(LONG)
    expect(node.raft.hasReady()).toBe(false)
    expect(tick(node, HEARTBEAT - 1)).toEqual([])
    expect(tick(node)).toEqual(['requestPreVote', 'requestPreVote'])
  })

  test('whose leader had spoken meanwhile has heard it now', () => {
    const node = follower()
    node.raft.missTicks(LONG)
    node.receive(heartbeat(1))
    expect(tick(node, TIMEOUT - 1)).toEqual([])
    expect(tick(node)).toEqual(['requestPreVote', 'requestPreVote'])
  })

  test('grants that once in a silence: the second time its next tick is its election', () => {
    const node = follower()
    node.raft.missTicks(LONG)
    expect(tick(node)).toEqual([])
    node.raft.missTicks(1)
    node.raft.missTicks(1)
    expect(tick(node)).toEqual(['requestPreVote', 'requestPreVote'])
  })

  test('and not its timeout counts them like others', () => {
    const node = follower()
    node.raft.missTicks(TIMEOUT - HEARTBEAT - 1)
    expect(tick(node, HEARTBEAT)).toEqual([])
    expect(tick(node)).toEqual(['requestPreVote', 'requestPreVote'])
  })

  test('and knows no leader grants nothing', () => {
    const node = oneOf(3, 1, options)
    node.raft.missTicks(LONG)
    expect(node.raft.hasReady()).toBe(false)
    expect(tick(node)).toEqual(['requestPreVote', 'requestPreVote'])
  })
})

describe('a leader that missed ticks', () => {
  test('sends a round with its next tick, and steps down if no quorum answers within an election timeout', () => {
    const node = leader()
    node.raft.missTicks(LONG)
    expect(node.raft.hasReady()).toBe(false)
    expect(tick(node)).toEqual(['heartbeat', 'heartbeat'])
    tick(node, TIMEOUT - 2)
    expect(node.role).toBe('leader')
    tick(node)
    expect(node.role).toBe('follower')
  })

  test('stays if a quorum answers', () => {
    const node = leader()
    node.raft.missTicks(LONG)
    tick(node)
    node.receive(messageOf('heartbeatResponse', 3, 1, 1))
    tick(node, TIMEOUT - 1)
    expect(node.role).toBe('leader')
  })

  test('takes no answer for one to that round that came before it', () => {
    const node = leader()
    node.raft.missTicks(LONG)
    for (const from of [2, 3]) node.receive(messageOf('heartbeatResponse', from, 1, 1))
    tick(node, TIMEOUT)
    expect(node.role).toBe('follower')
  })

  test('has one such period: what it misses in it passes, and the answers that have come count', () => {
    for (const answered of [true, false]) {
      const node = leader()
      node.raft.missTicks(LONG)
      tick(node)
      node.raft.missTicks(LONG)
      if (answered) node.receive(messageOf('heartbeatResponse', 3, 1, 1))
      tick(node)
      expect(node.role).toBe(answered ? 'leader' : 'follower')
    }
  })

  test('gives up a transfer whose time has passed', () => {
    const node = leader()
    node.raft.transferLeadership(2)
    node.drain()
    node.raft.missTicks(LONG)
    expect(node.raft.status()).toMatchObject({ role: 'leader', transferee: 0 })
  })

  test('serves no reads by a lease that ran out meanwhile: it is judged at once', () => {
    const node = leader({ leaseReads: true })
    tick(node, TIMEOUT)
    expect(node.role).toBe('leader')
    node.raft.missTicks(LONG)
    tick(node)
    expect(node.role).toBe('follower')
  })
})
