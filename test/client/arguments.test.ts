/** What a program passes is refused with INVALID and the argument's name, or is what a node takes: nothing between. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SandglassError } from '../../src/base/errors.ts'
import type { Caller } from '../../src/client/calls.ts'
import { createConsumer } from '../../src/client/consumer.ts'
import { checkConnect } from '../../src/client/core.ts'
import { HeldDelivery, type Settlement } from '../../src/client/delivery.ts'
import { prepare } from '../../src/client/message.ts'
import { createProducer } from '../../src/client/producer.ts'
import { checkSubscription } from '../../src/client/subscribe.ts'
import { createTopics } from '../../src/client/topics.ts'
import { checkExtend, checkNack, checkProduce, checkSubscribe } from '../../src/wire/queue-requests.ts'
import { checkCreateTopic, checkTopicName } from '../../src/wire/requests.ts'
import { createClientWire, createServerWire } from '../../src/wire/wire.ts'
import { anything, bytes, number, text } from '../limits/values.ts'

const client = createClientWire()
const server = createServerWire()
const RUNS = { numRuns: 800 }

/** The refusal's field; undefined: taken. */
async function refused(run: () => unknown): Promise<string | undefined> {
  try {
    await run()
    return undefined
  } catch (error) {
    if (!(error instanceof SandglassError)) throw error
    expect(error).toMatchObject({ reason: 'INVALID', field: expect.stringMatching(/./) })
    return error.field
  }
}

/** Absent, mostly as it should be, or anything. */
function option(good: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 3, arbitrary: good }, { weight: 1, arbitrary: anything }, fc.constant(undefined))
}

const name = option(fc.constant('orders'))
const place = { partition: 0, deliveredMs: 0, leaseMs: 1000, leaseFrom: 0, receivedAt: 0 }

function held(settled: Settlement[]): HeldDelivery {
  const holder = {
    settle: (_held: HeldDelivery, settlement: Settlement) => Promise.resolve(void settled.push(settlement)),
  }
  return new HeldDelivery(holder, { dueMs: 1, index: 1, fence: 1, count: 1, body: null }, place)
}

test('a message', async () => {
  const headers = fc.oneof(fc.dictionary(text, text, { maxKeys: 3 }), fc.constant(Object.fromEntries(manyHeaders())))
  const message = fc.record({
    value: option(fc.oneof(bytes, text)),
    key: option(bytes),
    partition: option(fc.constant(0)),
    channel: name,
    headers: option(headers),
    delayMs: option(number),
    deliverAt: option(fc.constant(undefined)),
  })
  await fc.assert(
    fc.asyncProperty(fc.oneof({ weight: 9, arbitrary: message }, anything), async (given) => {
      await refused(() => {
        const { message: made, bytes: counted } = prepare(given as never)
        const sent = client.codec('ProduceRequest').encode({ topic: 't', messages: [made] })
        expect(sent.length).toBeLessThanOrEqual(counted + 16)
        // The time of a node decides what is too far ahead.
        checkProduce(server.codec('ProduceRequest').decode(sent), 2 ** 48)
      })
    }),
    RUNS,
  )
})

function manyHeaders(): [string, string][] {
  return Array.from({ length: 300 }, (_, i) => [i.toString(36), ''])
}

describe('of a delivery', () => {
  const wrong = [-1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 53, '5', null]
  test.each(wrong.map((value) => ({ value })))(
    'nack({ delayMs: $value }) and extend($value) are refused, and never queued',
    async ({ value }) => {
      const settled: Settlement[] = []
      const delivery = held(settled)
      expect(await refused(() => delivery.nack({ delayMs: value as number }))).toBe('delayMs')
      expect(await refused(() => delivery.extend(value as number))).toBe('ms')
      expect(settled).toEqual([])
      await delivery.ack()
      expect(settled).toEqual([{ type: 'ack' }])
    },
  )

  test('nack() and extend()', async () => {
    const options = fc.record({ delayMs: option(number), reason: option(text) })
    await fc.assert(
      fc.asyncProperty(fc.oneof({ weight: 9, arbitrary: options }, anything), anything, async (how, ms) => {
        const settled: Settlement[] = []
        await refused(() => held(settled).nack(how as never))
        await refused(() => held(settled).extend(ms as never))
        for (const settlement of settled) {
          const items = { id: 1, index: [1], fence: [1] }
          if (settlement.type === 'nack') checkNack(taken('Nack', { ...items, ...nackOf(settlement) }))
          else if (settlement.type === 'extend') checkExtend(taken('Extend', { ...items, leaseMs: settlement.leaseMs }))
        }
      }),
      RUNS,
    )
  })
})

function nackOf({ delayMs, reason }: Extract<Settlement, { type: 'nack' }>) {
  return { delayMs, reason }
}

/** As a node reads it. */
function taken<K extends 'Nack' | 'Extend' | 'Subscribe'>(kind: K, message: object) {
  return server.codec(kind).decode(client.codec(kind).encode(message as never))
}

test('options of a consumer and of a subscription', async () => {
  const options = fc.record({
    topic: name,
    group: name,
    name,
    channel: name,
    partitions: option(fc.array(number, { maxLength: 3 })),
    leaseMs: option(number),
    credit: option(number),
    concurrency: option(number),
    onError: option(fc.constant(() => undefined)),
  })
  await fc.assert(
    fc.asyncProperty(fc.oneof({ weight: 9, arbitrary: options }, anything), anything, async (given, handler) => {
      const options = given as Parameters<typeof createConsumer>[1]
      const fault = await refused(() => createConsumer({} as never, options))
      if (fault === undefined) {
        const { topic, group, name: consumer = 'c', channel, leaseMs, credit } = options
        checkSubscribe(
          taken('Subscribe', { topic, group, consumer, channel, leaseMs, credit, session: new Uint8Array(16) }),
        )
      }
      await refused(() => checkSubscription(given as never, handler as never))
    }),
    RUNS,
  )
})

test('options of a connection, the id of a producer, and topics', async () => {
  const connect = fc.record({
    addrs: option(fc.constant(['127.0.0.1:7170'])),
    timeoutMs: option(number),
    token: option(text),
    tls: option(fc.boolean()),
  })
  const topic = fc.record({
    name,
    partitions: option(number),
    replicationFactor: option(number),
    kind: option(fc.constant('kv')),
  })
  const topics = createTopics(
    {
      async call(_service: string, _method: string, request: object) {
        if ('partitions' in request)
          checkCreateTopic(
            server.codec('CreateTopicRequest').decode(client.codec('CreateTopicRequest').encode(request as object)),
          )
        else checkTopicName(request as { name: string })
        return { name: '', kind: 0, partitions: [], replicationFactor: 0 } as never
      },
    } as Caller,
    () => undefined,
  )
  await fc.assert(
    fc.asyncProperty(fc.oneof(connect, anything), fc.oneof(topic, anything), anything, async (options, made, other) => {
      await refused(() => checkConnect(options as never))
      await refused(() => createProducer({} as never, { id: other as never }))
      await refused(() => topics.create(made as never))
      await refused(() => topics.describe(other as never))
      await refused(() => topics.delete(other as never))
    }),
    RUNS,
  )
})
