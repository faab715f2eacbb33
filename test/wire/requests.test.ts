import { expect, test } from 'vitest'
import { SandglassError } from '../../src/base/errors.ts'
import { COUNTER_MAX, DELAY_MS_MAX } from '../../src/base/limits.ts'
import type { Messages } from '../../src/wire/messages.ts'
import {
  checkAck,
  checkCredit,
  checkExtend,
  checkNack,
  checkProduce,
  checkSubscribe,
} from '../../src/wire/queue-requests.ts'
import {
  checkCreateTopic,
  checkDescribeGroup,
  checkFetch,
  checkGetMessage,
  checkListGroups,
  checkTopicName,
  checkTransferLeader,
} from '../../src/wire/requests.ts'
import { createServerWire, type Init } from '../../src/wire/wire.ts'

const wire = createServerWire()
const NOW = 1_700_000_000_000

type Server = Messages<Uint8Array>
function made<K extends keyof Server>(name: K, init: Init<Server[K]>): Server[K] {
  const codec = wire.codec(name)
  return codec.decode(codec.encode(init))
}

function field(check: () => void): string | undefined {
  try {
    check()
  } catch (error) {
    if (error instanceof SandglassError && error.reason === 'INVALID') return error.field
    throw error
  }
  return undefined
}

type Cases = readonly (readonly [request: Record<string, unknown>, field: string | undefined])[]

/** Each case changes a valid request and says which field is then at fault. */
function cases<K extends keyof Server>(
  name: K,
  valid: Init<Server[K]>,
  check: (r: Server[K]) => void,
  rows: Cases,
): void {
  for (const [change, expected] of [[{}, undefined] as const, ...rows]) {
    const request = made(name, { ...(valid as object), ...change } as Init<Server[K]>)
    expect(
      field(() => check(request)),
      JSON.stringify(change).slice(0, 120),
    ).toBe(expected)
  }
}

test('topics are created within the limits', () => {
  cases('CreateTopicRequest', { name: 'orders.v1_a-B', partitions: 1024, replicationFactor: 7 }, checkCreateTopic, [
    [{ name: '' }, 'name'],
    [{ name: 'x'.repeat(128) }, undefined],
    [{ name: 'x'.repeat(129) }, 'name'],
    [{ name: 'a b' }, 'name'],
    [{ name: 'a\n' }, 'name'],
    [{ name: '__mine' }, 'name'],
    [{ partitions: 0 }, 'partitions'],
    [{ partitions: 1025 }, 'partitions'],
    [{ replicationFactor: 0 }, 'replication_factor'],
    [{ replicationFactor: 8 }, 'replication_factor'],
    [{ kind: 3 }, 'kind'],
  ])
})

test('a produce request is checked down to each message', () => {
  const message = { body: Buffer.from([18, 1, 65]) }
  const valid = {
    topic: 't',
    partition: 1023,
    messages: [message],
    sequence: { producerId: Buffer.alloc(64), first: 1 },
  }
  cases('ProduceRequest', valid, (r) => checkProduce(r, NOW), [
    [{ topic: 'ü' }, 'topic'],
    [{ partition: 1024 }, 'partition'],
    [{ messages: [] }, 'messages'],
    [{ messages: Array(1024).fill(message) }, undefined],
    [{ messages: Array(1025).fill(message) }, 'messages'],
    [
      {
        messages: Array(5).fill({ body: Buffer.concat([Buffer.from([18, 0x80, 0x80, 0x40]), Buffer.alloc(2 ** 20)]) }),
      },
      'messages',
    ],
    [{ messages: [message, { body: Buffer.from([10]) }] }, 'messages[1].body'],
    [{ messages: [message, {}] }, undefined],
    [{ messages: [{ ...message, channel: '__dead_letter' }] }, 'messages[0].channel'],
    [{ messages: [{ ...message, delayMs: DELAY_MS_MAX }] }, undefined],
    [{ messages: [{ ...message, delayMs: DELAY_MS_MAX + 1 }] }, 'messages[0].delay_ms'],
    [{ messages: [{ ...message, deliverAtMs: 0 }] }, undefined],
    [{ messages: [{ ...message, deliverAtMs: NOW + DELAY_MS_MAX }] }, undefined],
    [{ messages: [{ ...message, deliverAtMs: NOW + DELAY_MS_MAX + 1 }] }, 'messages[0].deliver_at_ms'],
    [{ sequence: { producerId: Buffer.alloc(0), first: 1 } }, 'sequence.producer_id'],
    [{ sequence: { producerId: Buffer.alloc(65), first: 1 } }, 'sequence.producer_id'],
    [{ sequence: { producerId: Buffer.alloc(1), first: 0 } }, 'sequence.first'],
    [{ sequence: { producerId: Buffer.alloc(1), first: Number.MAX_SAFE_INTEGER } }, 'sequence.first'],
  ])
})

test('a subscription is checked', () => {
  const valid = { topic: 't', group: 'g', consumer: 'c', session: Buffer.alloc(16), credit: 100_000 }
  cases('Subscribe', valid, checkSubscribe, [
    [{ channel: '__dead_letter' }, undefined],
    [{ channel: 'a/b' }, 'channel'],
    [{ group: '' }, 'group'],
    [{ group: '__g' }, 'group'],
    [{ consumer: '' }, 'consumer'],
    [{ session: Buffer.alloc(15) }, 'session'],
    [{ leaseMs: DELAY_MS_MAX + 1 }, 'lease_ms'],
    [{ credit: 100_001 }, 'credit'],
    [{ holds: [{ index: 1, fence: 1 }] }, 'holds'],
    [{ holds: [{ index: 1, fence: COUNTER_MAX }], reattach: true }, undefined],
    [{ holds: [{ index: COUNTER_MAX + 1, fence: 1 }], reattach: true }, 'holds[0].index'],
    [{ start: 3 }, 'start'],
  ])
})

test('acks, nacks, extends and credit are checked', () => {
  const items = { id: 1, index: [1, 2], fence: [3, 4] }
  const many = Array(10_001).fill(1)
  cases('Ack', items, checkAck, [
    [{ index: [], fence: [] }, 'index'],
    [{ index: many, fence: many }, 'index'],
    [{ index: [1, COUNTER_MAX] }, undefined],
    [{ index: [1, COUNTER_MAX + 1] }, 'index[1]'],
    [{ fence: [Number.MAX_SAFE_INTEGER, 1] }, 'fence[0]'],
    [{ fence: [3] }, 'fence'],
  ])
  cases('Nack', items, checkNack, [
    [{ delayMs: DELAY_MS_MAX + 1 }, 'delay_ms'],
    [{ delayMs: 1, keepPlace: true }, 'delay_ms'],
    [{ reason: '🕰'.repeat(256) }, undefined],
    [{ reason: 'x'.repeat(257) }, 'reason'],
    [{ reason: '🕰'.repeat(257) }, 'reason'],
    [{ fence: [3] }, 'fence'],
  ])
  cases('Extend', { ...items, leaseMs: 1 }, checkExtend, [
    [{ leaseMs: 0 }, 'lease_ms'],
    [{ leaseMs: DELAY_MS_MAX + 1 }, 'lease_ms'],
    [{ index: [] }, 'index'],
  ])
  cases('Credit', { more: 100_000 }, checkCredit, [[{ more: 100_001 }, 'more']])
})

test('reads are checked', () => {
  cases('FetchRequest', { topic: 't', limit: 1000 }, checkFetch, [
    [{ topic: '' }, 'topic'],
    [{ partition: 5000 }, 'partition'],
    [{ channel: '?' }, 'channel'],
    [{ limit: 1001 }, 'limit'],
  ])
  cases('GetMessageRequest', { topic: 't', offset: '05E4ECYW2G0G40R40000A1G710' }, checkGetMessage, [
    [{ offset: '' }, 'offset'],
    [{ offset: '05E4ECYW2G0G40R40000A1G71O' }, 'offset'],
    [{ topic: 'a b' }, 'topic'],
  ])
  cases('ListGroupsRequest', {}, checkListGroups, [[{ topic: '*' }, 'topic']])
  cases('DescribeGroupRequest', { topic: 't', group: 'g' }, checkDescribeGroup, [
    [{ group: '' }, 'group'],
    [{ channel: ' ' }, 'channel'],
    [{ topic: '' }, 'topic'],
  ])
  cases('DescribeTopicRequest', { name: 't' }, checkTopicName, [[{ name: '' }, 'name']])
  cases('TransferLeaderRequest', { topic: 't', to: 'n1' }, checkTransferLeader, [
    [{ to: '' }, 'to'],
    [{ partition: 1024 }, 'partition'],
    [{ topic: '' }, 'topic'],
  ])
})
