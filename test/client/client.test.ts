import { afterEach, expect, test } from 'vitest'
import { SandglassError } from '../../src/base/errors.ts'
import { type Delivery, SandglassClient } from '../../src/client/index.ts'
import { type MemoryServer, startMemoryServer } from './memory-server.ts'

const open: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

async function setUp(partitions = 1): Promise<{ server: MemoryServer; client: SandglassClient }> {
  const server = await startMemoryServer()
  open.push(() => server.close())
  const client = await SandglassClient.connect({ addrs: [server.addr], timeoutMs: 5000 })
  open.push(() => client.close())
  await client.topics.create({ name: 't', partitions, replicationFactor: 1 })
  return { server, client }
}

async function take(deliveries: AsyncIterator<Delivery>, count: number): Promise<Delivery[]> {
  const taken: Delivery[] = []
  while (taken.length < count) {
    const next = await deliveries.next()
    if (next.done) throw new Error(`the consumer ended after ${taken.length}`)
    taken.push(next.value)
  }
  return taken
}

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString()

test('topics are created, listed, described and deleted; refusals carry their reason', async () => {
  const { client } = await setUp(3)
  expect(await client.topics.list()).toEqual(['t'])
  const described = await client.topics.describe('t')
  expect(described).toMatchObject({ name: 't', kind: 'timer', replicationFactor: 1 })
  expect(described.partitions.map((p) => p.leader)).toEqual(['n1', 'n1', 'n1'])
  const twice = client.topics.create({ name: 't', partitions: 1, replicationFactor: 1 })
  await expect(twice).rejects.toMatchObject({ reason: 'TOPIC_EXISTS', code: 6, outcome: 'refused' })
  const bad = client.topics.create({ name: 'a b', partitions: 1, replicationFactor: 1 })
  await expect(bad).rejects.toMatchObject({ reason: 'INVALID', field: 'name' })
  await client.topics.delete('t')
  await expect(client.topics.describe('t')).rejects.toMatchObject({ reason: 'TOPIC_NOT_FOUND' })
})

test('what is produced is delivered with everything it had, and acknowledged once', async () => {
  const { server, client } = await setUp()
  const producer = client.producer()
  const produced = await producer.produce('t', { value: 'hello', key: 'k', headers: { trace: '7' } })
  const deliveries = client.consumer({ topic: 't', group: 'g' })[Symbol.asyncIterator]()
  const [delivery] = await take(deliveries, 1)
  expect(delivery).toMatchObject({
    offset: produced.offset,
    partition: 0,
    index: 1,
    deliveryCount: 1,
    dueMs: produced.dueMs,
  })
  expect([text(delivery?.key), text(delivery?.value), delivery?.headers]).toEqual(['k', 'hello', { trace: '7' }])
  await delivery?.ack()
  await expect(delivery?.ack()).rejects.toMatchObject({ reason: 'LEASE_LOST' })
  expect(server.topics.get('t')?.parts[0]?.groups.get('master/g')?.done.size).toBe(1)
})

test('ten thousand messages over three partitions come through, each once', async () => {
  const { client } = await setUp(3)
  const producer = client.producer()
  const produced = Promise.all(Array.from({ length: 10_000 }, (_, n) => producer.produce('t', { value: String(n) })))
  const deliveries = client.consumer({ topic: 't', group: 'g', credit: 999 })[Symbol.asyncIterator]()
  const seen = new Set<string>()
  const acks: Promise<void>[] = []
  while (seen.size < 10_000) {
    const [delivery] = await take(deliveries, 1)
    seen.add(text(delivery?.value))
    if (delivery !== undefined) acks.push(delivery.ack())
  }
  await Promise.all(acks)
  expect(new Set((await produced).map((p) => p.offset)).size).toBe(10_000)
  expect(acks).toHaveLength(10_000)
})

test('a nacked message comes again with a higher count', async () => {
  const { client } = await setUp()
  await client.producer().produce('t', { value: 'x' })
  const deliveries = client.consumer({ topic: 't', group: 'g' })[Symbol.asyncIterator]()
  const [first] = await take(deliveries, 1)
  await first?.nack({ reason: 'not now' })
  const [second] = await take(deliveries, 1)
  expect(second).toMatchObject({ offset: first?.offset, deliveryCount: 2 })
})

test('after a broken stream the consumer goes on, and still settles what it held', async () => {
  const { server, client } = await setUp()
  const producer = client.producer()
  await producer.produce('t', { value: 'held' })
  const deliveries = client.consumer({ topic: 't', group: 'g' })[Symbol.asyncIterator]()
  const [held] = await take(deliveries, 1)
  server.breakStreams()
  await producer.produce('t', { value: 'later' })
  const [later] = await take(deliveries, 1)
  expect(text(later?.value)).toBe('later')
  await held?.ack()
})

test('subscribe acknowledges what its handler returns from and brings again what it throws at', async () => {
  const { server, client } = await setUp()
  const seen: string[] = []
  const errors: unknown[] = []
  let done: () => void = () => undefined
  const both = new Promise<void>((resolve) => {
    done = resolve
  })
  const running = client.subscribe('t', { group: 'g', concurrency: 4, onError: (e) => errors.push(e) }, (delivery) => {
    seen.push(`${text(delivery.value)} ${delivery.deliveryCount}`)
    if (delivery.deliveryCount === 1) throw new Error('first time')
    done()
  })
  await client.producer().produce('t', { value: 'x' })
  await both
  await running.close()
  expect(seen).toEqual(['x 1', 'x 2'])
  expect(errors).toHaveLength(1)
  expect(server.topics.get('t')?.parts[0]?.groups.get('master/g')?.done.size).toBe(1)
})

test('leaving the loop gives back what is not settled', async () => {
  const { server, client } = await setUp()
  const producer = client.producer()
  for (const value of ['a', 'b', 'c']) await producer.produce('t', { value })
  for await (const delivery of client.consumer({ topic: 't', group: 'g' })) {
    await delivery.ack()
    break
  }
  const group = server.topics.get('t')?.parts[0]?.groups.get('master/g')
  expect([group?.done.size, group?.leased.size]).toEqual([1, 0])
})

test('a consumer of a topic that does not exist says so', async () => {
  const { client } = await setUp()
  const deliveries = client.consumer({ topic: 'nothing', group: 'g' })[Symbol.asyncIterator]()
  await expect(deliveries.next()).rejects.toMatchObject({ reason: 'TOPIC_NOT_FOUND' })
  expect(() => client.consumer({ topic: 't', group: '__g' })).toThrow(SandglassError)
})

test('nobody at the address is UNREACHABLE, at the deadline', async () => {
  const connecting = SandglassClient.connect({ addrs: ['127.0.0.1:1'], timeoutMs: 300 })
  await expect(connecting).rejects.toMatchObject({ reason: 'UNREACHABLE', outcome: 'refused' })
})

test('one dead address among several does not matter', async () => {
  const { server } = await setUp()
  const client = await SandglassClient.connect({ addrs: ['127.0.0.1:1', server.addr], timeoutMs: 5000 })
  open.push(() => client.close())
  expect(await client.topics.list()).toEqual(['t'])
})
