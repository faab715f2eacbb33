/** A frame or request with a number out of its range fails alone, by its field; nothing of it reaches an assertion. */
import protobuf from 'protobufjs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { realEnv } from '../../src/base/real-env.ts'
import { createBroker } from '../../src/broker/broker.ts'
import type { Broker } from '../../src/broker/types.ts'
import { createApiServer } from '../../src/rpc/api-server.ts'
import type { ApiServer } from '../../src/rpc/api-types.ts'
import { SERVICES } from '../../src/wire/messages.ts'
import { FakeDirectory, PARTITION } from '../broker/fake-directory.ts'
import { MemoryHandle } from '../broker/memory-handle.ts'
import { ApiClient } from './api-client.ts'

const { Queue } = SERVICES
const TOO_HIGH = 2 ** 52
const subscribe = { topic: 'orders', group: 'g', consumer: 'c1', session: Buffer.alloc(16, 7), credit: 10 }
const place = { topic: 'orders', partition: 0, group: 'g' }

let broker: Broker
let server: ApiServer
let client: ApiClient
let internal: unknown[]

beforeEach(async () => {
  const env = realEnv()
  const directory = new FakeDirectory()
  const handle = new MemoryHandle()
  handle.wallMs = () => env.wallMs()
  internal = []
  broker = createBroker({
    env,
    directory,
    config: { leaseMs: 30_000, reattachMs: 5000, maxClockSkewMs: 2000 },
  })
  broker.attachGroup(PARTITION, handle)
  server = createApiServer({ env, onInternal: (error) => internal.push(error) })
  server.open({ broker, directory })
  client = new ApiClient(await server.listen('127.0.0.1:0'))
})

afterEach(() => {
  client.close()
  broker.close()
  server.close()
  expect(internal).toEqual([])
})

/** A consumer that holds one delivery. */
async function holding() {
  await client.call(Queue.Produce, { topic: 'orders', messages: [{ body: { value: Buffer.from('a') } }] })
  const consumer = client.consume()
  consumer.write({ subscribe })
  const [delivery] = await consumer.next((m) => m.deliveries?.deliveries)
  const settled = (id: number) => consumer.next((m) => (m.settled?.id === id ? m.settled : undefined))
  return { consumer, settled, held: { index: [delivery?.index ?? 0], fence: [delivery?.fence ?? 0] } }
}

describe('on a stream of deliveries', () => {
  test.each([
    ['ack', 'index', {}],
    ['ack', 'fence', {}],
    ['nack', 'index', { delayMs: 5 }],
    ['nack', 'fence', { reason: 'busy' }],
    ['extend', 'index', { leaseMs: 5 }],
    ['extend', 'fence', { leaseMs: 5 }],
  ] as const)('an %s of 2^52 as %s is refused by its id, and the stream goes on', async (kind, field, more) => {
    const { consumer, settled, held } = await holding()
    consumer.write({ [kind]: { id: 1, ...held, ...more, [field]: [TOO_HIGH] } })
    expect((await settled(1)).error).toMatchObject({ reason: 'INVALID', field: `${field}[0]` })
    consumer.write({ ack: { id: 2, ...held } })
    expect(await settled(2)).toMatchObject({ lost: [], error: null })
    consumer.halfClose()
    await consumer.over()
  })

  test('so is one that no reader of ours can read: it has a number of 2^53 and more', async () => {
    const { consumer, settled, held } = await holding()
    const nack = protobuf.Writer.create().uint32(8).uint64(9).uint32(16).uint64('18446744073709551615').finish()
    consumer.writeBytes(Buffer.from(protobuf.Writer.create().uint32(26).bytes(nack).finish()))
    expect((await settled(9)).error).toMatchObject({ reason: 'INVALID', field: 'nack.index[0]' })
    consumer.write({ ack: { id: 2, ...held } })
    expect(await settled(2)).toMatchObject({ lost: [], error: null })
  })

  test('a subscription that holds 2^52 is refused by its field', async () => {
    const consumer = client.consume()
    consumer.write({ subscribe: { ...subscribe, reattach: true, holds: [{ index: 1, fence: TOO_HIGH }] } })
    const end = await consumer.next((m) => m.end)
    expect(end).toMatchObject({ reason: 'INVALID', field: 'holds[0].fence' })
  })
})

test('a produce frame that cannot be read is refused by its id, and the stream goes on', async () => {
  const producer = client.produceStream()
  const request = protobuf.Writer.create().uint32(10).string('orders').uint32(16).uint64('4294967297').finish()
  producer.writeBytes(Buffer.from(protobuf.Writer.create().uint32(8).uint64(5).uint32(18).bytes(request).finish()))
  const bad = await producer.next((m) => (m.id === 5 ? m : undefined))
  expect(bad.error).toMatchObject({ reason: 'INVALID', field: 'request.partition' })
  producer.write({ id: 6, request: { topic: 'orders', messages: [{ body: { value: Buffer.from('a') } }] } })
  expect((await producer.next((m) => (m.id === 6 ? m : undefined))).response?.index).toHaveLength(1)
})

describe('as single calls', () => {
  test.each([
    ['Ack', {}],
    ['Nack', { reason: 'busy' }],
    ['Extend', { leaseMs: 5 }],
  ] as const)('%s of 2^52 is refused by its field', async (method, more) => {
    for (const field of ['index', 'fence'] as const) {
      const request = { ...place, index: [1, 1], fence: [1, 1], ...more, [field]: [1, TOO_HIGH] }
      await expect(client.call(Queue[method], request)).rejects.toMatchObject({
        reason: 'INVALID',
        field: `${field}[1]`,
      })
    }
  })

  test('10,000 places are given back for one reason of 256 characters, of up to four bytes each', async () => {
    const { held, consumer } = await holding()
    const many = Array.from({ length: 9_999 }, (_, i) => 1_000 + i)
    for (const character of ['x', 'ß', '語', '🕰']) {
      const request = { ...place, index: [...many, ...held.index], fence: [...many, ...held.fence] }
      const reason = character.repeat(256)
      const answer = await client.call(Queue.Nack, { ...request, reason })
      expect(answer.lost).toHaveLength(9_999)
      const [again] = await consumer.next((m) => m.deliveries?.deliveries)
      held.fence[0] = again?.fence ?? 0
      const tooLong = client.call(Queue.Nack, { ...request, reason: `${reason}${character}` })
      await expect(tooLong).rejects.toMatchObject({ reason: 'INVALID', field: 'reason' })
    }
  })

  test('a number of 2^53 and more is refused by its field', async () => {
    const bytes = protobuf.Writer.create().uint32(10).string('orders').uint32(40).uint64('9007199254740992').finish()
    const refused = await client.raw(Queue.Ack.path, Buffer.from(bytes)).catch((error: unknown) => error)
    expect(String(Object(refused).metadata?.get('grpc-status-details-bin')[0])).toContain('index[0]')
  })
})
