import { describe, expect, test } from 'vitest'
import {
  answerTo,
  begin,
  FORMATION_VERSION,
  type FormationState,
  hear,
  persisted,
  say,
} from '../../../src/node/formation/formation-state.ts'
import type { Identity } from '../../../src/node/formation/identity.ts'
import type { FormationHello } from '../../../src/rpc/formation/types.ts'

const MEMBERS = ['n1', 'n2', 'n3'].map((name) => ({ name, raft: `${name}:9190` }))
const RECORDS = MEMBERS.map((member, i) => ({ id: i + 1, ...member }))

function state(name: string, durable?: 'prepared' | 'formed', clusterId = 'c1'): FormationState {
  const nodeId = 1 + MEMBERS.findIndex((m) => m.name === name)
  const identity: Identity | undefined =
    durable === undefined ? undefined : { clusterId, nodeId, name, members: RECORDS, state: durable }
  return { name, members: MEMBERS, boot: `boot-${name}`, freshId: 'fresh', durable: identity, heard: new Map() }
}

const hello = (from: string, to: string, said: Partial<FormationHello> = {}): FormationHello => ({
  version: FORMATION_VERSION,
  from,
  boot: `boot-${from}`,
  toBoot: `boot-${to}`,
  members: MEMBERS,
  state: 'empty',
  clusterId: '',
  ...said,
})

describe('formation', () => {
  test('a node alone is formed after two writes', () => {
    const alone = { ...state('n1'), members: MEMBERS.slice(0, 1) }
    const first = begin(alone)
    expect(first).toMatchObject({ type: 'persist', identity: { state: 'prepared', clusterId: 'fresh', nodeId: 1 } })
    if (first.type !== 'persist') return
    const second = persisted(first.state, first.identity)
    expect(second).toMatchObject({ type: 'persist', identity: { state: 'formed', clusterId: 'fresh' } })
  })

  test('the first name mints only when all others said that they are empty', () => {
    const one = hear(state('n1'), hello('n2', 'n1'))
    expect(one.type).toBe('wait')
    expect(hear(one.state, hello('n3', 'n1'))).toMatchObject({ type: 'persist', identity: { state: 'prepared' } })
  })

  test('an empty node hears `formed` from anyone: NODE_HAS_HISTORY', () => {
    for (const me of ['n1', 'n2']) {
      const next = hear(state(me), hello('n3', me, { state: 'formed', clusterId: 'c1' }))
      expect(next).toMatchObject({ type: 'fail', reason: 'NODE_HAS_HISTORY' })
    }
  })

  test('the empty first name hears `prepared`: NODE_HAS_HISTORY', () => {
    const next = hear(state('n1'), hello('n3', 'n1', { state: 'prepared', clusterId: 'c1' }))
    expect(next).toMatchObject({ type: 'fail', reason: 'NODE_HAS_HISTORY' })
  })

  test('an offer made to an earlier life of the node is not taken', () => {
    const offer = hello('n1', 'n2', { state: 'prepared', clusterId: 'c1', toBoot: 'an earlier one' })
    expect(hear(state('n2'), offer).type).toBe('wait')
    expect(hear(state('n2'), { ...offer, toBoot: 'boot-n2' }).type).toBe('persist')
  })

  test('nobody but the first name makes an offer', () => {
    const next = hear(state('n2'), hello('n3', 'n2', { state: 'prepared', clusterId: 'c1' }))
    expect(next.type).toBe('wait')
  })

  test('a prepared node refuses another cluster id', () => {
    for (const said of ['prepared', 'formed'] as const) {
      const next = hear(state('n2', 'prepared'), hello('n1', 'n2', { state: said, clusterId: 'c2' }))
      expect(next).toMatchObject({ type: 'fail', reason: 'CLUSTER_MISMATCH' })
    }
  })

  test('a first name that forgot its decision has lost its memory', () => {
    const next = hear(state('n1', 'prepared'), hello('n2', 'n1', { state: 'formed', clusterId: 'c1' }))
    expect(next).toMatchObject({ type: 'fail', reason: 'NODE_HAS_HISTORY' })
  })

  test('another list at a member is an error that shows both lists', () => {
    const next = hear(state('n1'), hello('n2', 'n1', { members: MEMBERS.slice(0, 2) }))
    expect(next).toMatchObject({ type: 'fail', reason: 'CLUSTER_MISMATCH' })
    if (next.type === 'fail') expect(next.message).toContain('n1=n1:9190,n2=n2:9190,n3=n3:9190 here and')
  })

  test('the same members in another order are another list', () => {
    const next = hear(state('n1'), hello('n2', 'n1', { members: [...MEMBERS].reverse() }))
    expect(next).toMatchObject({ type: 'fail', reason: 'CLUSTER_MISMATCH' })
  })

  test('a stranger with a list of its own does not stop the formation', () => {
    const next = hear(state('n1'), hello('n4', 'n1', { members: [...MEMBERS, { name: 'n4', raft: 'n4:9190' }] }))
    expect(next).toMatchObject({ type: 'wait' })
    expect(next.state.heard.size).toBe(0)
  })

  test('two nodes of one name are an error', () => {
    const next = hear(state('n1'), hello('n1', 'n1', { boot: 'another' }))
    expect(next).toMatchObject({ type: 'fail', reason: 'CLUSTER_MISMATCH' })
  })

  test('a formed node is not moved by anything and says `formed`', () => {
    const formed = state('n2', 'formed')
    const next = hear(formed, hello('n1', 'n2', { state: 'formed', clusterId: 'c2', members: [] }))
    expect(next.type).toBe('wait')
    expect(say(next.state, 'n1')).toMatchObject({ state: 'formed', clusterId: 'c1' })
  })

  test('tells the cluster id to who says it and, while it is offered, to the members; to nobody else', () => {
    const asks = (from: string, told: Partial<FormationHello> = {}) => hello(from, 'n1', told)
    const told = (of: FormationState, by: FormationHello) => answerTo(of, by).clusterId
    for (const durable of ['prepared', 'formed'] as const) {
      expect(told(state('n2', durable), asks('stranger'))).toBe('')
      expect(told(state('n2', durable), asks('n3'))).toBe('')
      expect(told(state('n2', durable), asks('n3', { state: 'prepared', clusterId: 'c2' }))).toBe('another')
      expect(told(state('n2', durable), asks('n3', { state: 'prepared', clusterId: 'c1' }))).toBe('c1')
    }
    expect(told(state('n1', 'prepared'), asks('n2'))).toBe('c1')
    expect(told(state('n1', 'prepared'), asks('stranger'))).toBe('')
    expect(told(state('n1', 'formed'), asks('n2'))).toBe('')
  })
})
