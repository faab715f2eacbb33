/** The public server on a real socket, over an in-memory partition: the way of one message, and errors as clients see them. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { encodeOffset } from '../../src/base/offset.ts'
import { realEnv } from '../../src/base/real-env.ts'
import { createBroker } from '../../src/broker/broker.ts'
import type { TopicInfo } from '../../src/broker/directory.ts'
import { Session } from '../../src/broker/session.ts'
import type { Broker } from '../../src/broker/types.ts'
import { createApiServer } from '../../src/rpc/api-server.ts'
import type { ApiServer } from '../../src/rpc/api-types.ts'
import { MessageState, SERVICES, TopicKind } from '../../src/wire/messages.ts'
import { FakeDirectory, PARTITION } from '../broker/fake-directory.ts'
import { MemoryHandle } from '../broker/memory-handle.ts'
import { ApiClient } from './api-client.ts'

const config = { leaseMs: 30_000, reattachMs: 5000, maxClockSkewMs: 2000 }
const { Queue, Topics, Cluster } = SERVICES
const value = (text: string) => ({ body: { value: Buffer.from(text) } })
const subscribe = { topic: 'orders', group: 'g', consumer: 'c1', session: Buffer.alloc(16, 7), credit: 10 }

let directory: FakeDirectory
let handle: MemoryHandle
let broker: Broker
let server: ApiServer
let client: ApiClient
let calls: string[]

beforeEach(async () => {
  const env = realEnv()
  directory = new FakeDirectory()
  handle = new MemoryHandle()
  handle.wallMs = () => env.wallMs()
  calls = []
  broker = createBroker({ env, directory, config })
  broker.attachGroup(PARTITION, handle)
  server = createApiServer({ env, onCall: (method, code) => calls.push(`${method} ${code}`) })
  server.open({ broker, directory })
  client = new ApiClient(await server.listen('127.0.0.1:0'))
})

afterEach(() => {
  client.close()
  broker.close()
  server.close()
})

test('a message is produced, delivered once and acknowledged', async () => {
  const consumer = client.consume()
  consumer.write({ subscribe })
  await consumer.next((m) => m.subscribed)
  const message = { body: { key: Buffer.from('k'), value: Buffer.from('hello'), headers: { a: 'b' } } }
  const stored = await client.call(Queue.Produce, { topic: 'orders', messages: [message] })
  const batch = await consumer.next((m) => m.deliveries)
  expect(batch.deliveries).toHaveLength(1)
  const [delivery] = batch.deliveries
  expect(delivery).toMatchObject({ index: stored.index[0], dueMs: stored.dueMs[0], count: 1 })
  expect(Buffer.from(delivery?.body?.value ?? []).toString()).toBe('hello')
  expect(delivery?.body?.headers).toEqual({ a: 'b' })
  consumer.write({ ack: { id: 5, index: [delivery?.index ?? 0], fence: [delivery?.fence ?? 0] } })
  expect(await consumer.next((m) => m.settled)).toMatchObject({ id: 5, lost: [], error: null })
  const { partitions } = await client.call(Queue.DescribeGroup, { topic: 'orders', group: 'g' })
  expect(partitions).toMatchObject([{ id: 0, leased: 0, waiting: 0, due: 0 }])
  consumer.halfClose()
  await consumer.over()
  expect(calls).toContain('Produce 0')
})

test('of acks of many deliveries that come together one is taken in a turn, and all are answered', async () => {
  const FRAMES = 20
  const consumer = client.consume()
  consumer.write({ subscribe })
  await consumer.next((m) => m.subscribed)
  let turn = 0
  const turns: number[] = []
  const { ack } = Session.prototype
  const taken = vi.spyOn(Session.prototype, 'ack').mockImplementation(function (this: Session, ...of) {
    turns.push(turn)
    ack.apply(this, of)
  })
  const next = () => {
    turn += 1
    if (turns.length < FRAMES) setImmediate(next)
  }
  setImmediate(next)
  const index = Array.from({ length: 1024 }, (_, i) => i + 1)
  for (let id = 1; id <= FRAMES; id++) consumer.write({ ack: { id, index, fence: index } })
  for (let id = 1; id <= FRAMES; id++) await consumer.next((m) => (m.settled?.id === id ? m.settled : undefined))
  taken.mockRestore()
  expect(turns).toHaveLength(FRAMES)
  expect(new Set(turns).size).toBe(FRAMES)
})

test('a half-closed consumer is done once everything it asked is answered, what was refused at once as well', async () => {
  const consumer = client.consume()
  consumer.write({ subscribe })
  await consumer.next((m) => m.subscribed)
  handle.manual = true
  // Far apart, so that they fill what may wait.
  const index = Array.from({ length: 10_000 }, (_, i) => i * 1e11)
  const asked = 120
  for (let id = 1; id <= asked; id++) consumer.write({ ack: { id, index, fence: index } })
  const refused = await consumer.next((m) => m.settled)
  expect(refused.error).toMatchObject({ reason: 'OVERLOADED' })
  consumer.halfClose()
  const drained = (async () => {
    while (!consumer.ended) {
      handle.applyNext()
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  await Promise.all([consumer.over(), drained])
  expect(consumer.error).toBeUndefined()
  expect(consumer.received.filter((m) => m.settled)).toHaveLength(asked - 1)
})

test('a stream of frames is answered by id, bad ones too', async () => {
  const producer = client.produceStream()
  producer.write({ id: 1, request: { topic: 'orders', messages: [value('a'), value('b')] } })
  producer.write({ id: 2, request: { topic: 'orders', messages: [] } })
  producer.write({ id: 3, request: { topic: 'nothing', messages: [value('c')] } })
  const answer = (id: number) => producer.next((m) => (m.id === id ? m : undefined))
  expect((await answer(1)).response?.index).toHaveLength(2)
  expect((await answer(2)).error).toMatchObject({ reason: 'INVALID', field: 'messages' })
  expect((await answer(3)).error).toMatchObject({ reason: 'TOPIC_NOT_FOUND' })
  producer.halfClose()
  await producer.over()
})

test('before it is open a call and a stream hear at once what the node waits for, and that another can be asked', async () => {
  const early = createApiServer({ env: realEnv(), starting: () => 'n3 is silent' })
  const asking = new ApiClient(await early.listen('127.0.0.1:0'))
  const refusal = { reason: 'UNREACHABLE', outcome: 'refused', message: 'Cannot serve yet: n3 is silent' }
  try {
    await expect(asking.call(Topics.ListTopics, {})).rejects.toMatchObject(refusal)
    await expect(asking.rawStream(Queue.ProduceStream.path, Buffer.alloc(0))).rejects.toMatchObject({
      details: refusal.message,
    })
    early.open({ broker, directory })
    expect((await asking.call(Cluster.ListNodes, {})).nodes).toHaveLength(1)
  } finally {
    asking.close()
    early.close()
  }
})

test('bytes that are no request are refused as such, by call and by stream', async () => {
  const INVALID_ARGUMENT = 3
  const broken = Buffer.from([10, 200])
  await expect(client.raw(Queue.Produce.path, broken)).rejects.toMatchObject({ code: INVALID_ARGUMENT })
  await expect(client.rawStream(Queue.ProduceStream.path, broken)).rejects.toMatchObject({ code: INVALID_ARGUMENT })
  const answer = await client.rawStream(Queue.Consume.path, broken)
  expect(answer.toString('latin1')).toContain('INVALID')
})

test('a frame beyond its limit is refused with the field, by call and by stream, and stores nothing', async () => {
  const MIB = 1024 * 1024
  const large = (bytes: number) => ({ body: { value: Buffer.alloc(bytes, 97) } })
  const frames = [
    { messages: [large(MIB), large(MIB), large(MIB), large(MIB), large(1)], field: 'messages' },
    { messages: [large(5 * MIB)], field: 'messages[0].body.value' },
    { messages: Array.from({ length: 15 }, () => large(MIB)), field: 'messages' },
  ]
  for (const { messages, field } of frames) {
    const call = client.call(Queue.Produce, { topic: 'orders', messages })
    await expect(call).rejects.toMatchObject({ reason: 'INVALID', field, outcome: 'refused' })
    const producer = client.produceStream()
    producer.write({ id: 1, request: { topic: 'orders', messages } })
    producer.write({ id: 2, request: { topic: 'orders', messages: [value('small')] } })
    expect((await producer.next((m) => (m.id === 1 ? m : undefined))).error).toMatchObject({ reason: 'INVALID', field })
    expect((await producer.next((m) => (m.id === 2 ? m : undefined))).response?.index).toHaveLength(1)
    producer.halfClose()
    await producer.over()
  }
  // Beyond what is read at all, gRPC refuses; the client library knows what that means.
  const call = client.call(Queue.Produce, { topic: 'orders', messages: [large(17 * MIB)] })
  await expect(call).rejects.toMatchObject({ reason: 'INVALID', outcome: 'refused' })
  const { messages } = await client.call(Queue.Fetch, { topic: 'orders' })
  expect(messages).toHaveLength(frames.length)
})

test('health and reflection answer', async () => {
  const health = { path: '/grpc.health.v1.Health/Check' }
  expect(await client.raw(health.path, Buffer.alloc(0))).toEqual(Buffer.from([8, 2]))
  server.setServing(true)
  expect(await client.raw(health.path, Buffer.alloc(0))).toEqual(Buffer.from([8, 1]))
  const list = await client.rawStream(
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    Buffer.from([58, 1, 42]),
  )
  expect(list.toString('latin1')).toContain('sandglass.v1.Queue')
})

test('a topic that only the catalog leader knows yet is found after a refresh', async () => {
  directory.unseen.set('late', { name: 'late', kind: 'timer', replicationFactor: 1, partitions: [PARTITION] })
  const topic = await client.call(Topics.DescribeTopic, { name: 'late' })
  expect(topic.partitions).toMatchObject([{ id: 0, leader: 'n1', replicas: ['n1'], leaderGrpc: '127.0.0.1:1' }])
})

test('a passed-on request at a node that does not lead is refused with the address of the leader', async () => {
  directory.nodeList.push({ id: 2, name: 'n2', grpc: '127.0.0.1:2', alive: true, version: '' })
  handle.change({ role: 'follower', ready: false, leaderNode: 2 })
  directory.setLeader(2)
  const produced = client.call(Queue.Produce, { topic: 'orders', messages: [value('a')] }, { forwardedFor: 0 })
  await expect(produced).rejects.toMatchObject({ reason: 'NOT_LEADER', leader: '127.0.0.1:2' })
})

test('without a leader a produce ends in NO_QUORUM before its deadline', async () => {
  handle.change({ role: 'follower', ready: false, leaderNode: 0 })
  directory.setLeader(0)
  const produced = client.call(Queue.Produce, { topic: 'orders', messages: [value('a')] }, { deadlineMs: 600 })
  await expect(produced).rejects.toMatchObject({ reason: 'NO_QUORUM', outcome: 'refused' })
})

test('a request for a partition led elsewhere is served through this node', async () => {
  const other = new FakeDirectory(2)
  const others = createBroker({ env: realEnv(), directory: other, config })
  const front = createApiServer({ env: realEnv() })
  front.open({ broker: others, directory: other })
  const backPort = await server.listen('127.0.0.1:0')
  other.nodeList[0] = { id: 1, name: 'n1', grpc: `127.0.0.1:${backPort}`, alive: true, version: '' }
  const frontClient = new ApiClient(await front.listen('127.0.0.1:0'))
  try {
    const stored = await frontClient.call(Queue.Produce, { topic: 'orders', messages: [value('far')] })
    const producer = frontClient.produceStream()
    producer.write({ id: 9, request: { topic: 'orders', messages: [value('farther')] } })
    expect((await producer.next((m) => m)).response?.index).toHaveLength(1)
    producer.halfClose()
    const consumer = frontClient.consume()
    consumer.write({ subscribe })
    await consumer.next((m) => m.subscribed)
    const first = await consumer.next((m) => m.deliveries)
    expect(first.deliveries[0]?.index).toBe(stored.index[0])
    const described = await frontClient.call(Queue.DescribeGroup, { topic: 'orders', group: 'g' })
    expect(described.partitions).toHaveLength(1)
    const listed = await frontClient.call(Queue.ListGroups, {})
    expect(listed.groups).toEqual([{ topic: 'orders', channel: 'master', group: 'g' }])
    consumer.halfClose()
    await consumer.over()
  } finally {
    frontClient.close()
    front.close()
    others.close()
  }
})

test('messages are read by position and by offset, with their state', async () => {
  const messages = [value('now'), { ...value('later'), delayMs: 60_000 }]
  const stored = await client.call(Queue.Produce, { topic: 'orders', messages })
  const fetched = await client.call(Queue.Fetch, { topic: 'orders', limit: 1 })
  expect(fetched.more).toBe(true)
  expect(Buffer.from(fetched.messages[0]?.body?.value ?? []).toString()).toBe('now')
  const rest = await client.call(Queue.Fetch, {
    topic: 'orders',
    from: { dueMs: (stored.dueMs[0] ?? 0) + 1, index: 0 },
  })
  expect(rest).toMatchObject({ more: false, messages: [{ index: stored.index[1] }] })
  const offset = encodeOffset({ due: stored.dueMs[1] ?? 0, index: stored.index[1] ?? 0, partition: 0 })
  const found = await client.call(Queue.GetMessage, { topic: 'orders', offset })
  expect(found.state).toBe(MessageState.SCHEDULED)
  const none = encodeOffset({ due: 1, index: 1, partition: 0 })
  const missing = client.call(Queue.GetMessage, { topic: 'orders', offset: none })
  await expect(missing).rejects.toMatchObject({ reason: 'MESSAGE_NOT_FOUND' })
})

test('topics and nodes are described, created and deleted', async () => {
  const created = await client.call(Topics.CreateTopic, { name: 'fresh', partitions: 1, replicationFactor: 1 })
  expect(created).toMatchObject({ name: 'fresh', replicationFactor: 1, partitions: [{ leader: 'n1' }] })
  const twice = client.call(Topics.CreateTopic, { name: 'fresh', partitions: 1, replicationFactor: 1 })
  await expect(twice).rejects.toMatchObject({ reason: 'TOPIC_EXISTS' })
  const map = { name: 'map', partitions: 1, replicationFactor: 1, kind: TopicKind.KV }
  await expect(client.call(Topics.CreateTopic, map)).rejects.toMatchObject({ reason: 'UNSUPPORTED' })
  expect((await client.call(Topics.ListTopics, {})).topics).toEqual(['orders', 'fresh'])
  await client.call(Topics.DeleteTopic, { name: 'fresh' })
  const status = await client.call(Cluster.Status, {})
  expect(status.partitions).toMatchObject([{ topic: 'orders', id: 0, leader: 'n1', applied: [{ node: 'n1' }] }])
  expect((await client.call(Cluster.ListNodes, {})).nodes).toMatchObject([{ name: 'n1', alive: true }])
})

test.each([
  ['the topic is deleted', 'TOPIC_NOT_FOUND', () => directory.deleteTopic('fresh')],
  ['the node stops', 'SHUTTING_DOWN', () => broker.close()],
] as const)('whoever waits for the leaders of a new topic hears when %s', async (_, reason, happens) => {
  directory.leader = 0
  const request = { name: 'fresh', partitions: 1, replicationFactor: 1 }
  const created = client.call(Topics.CreateTopic, request, { deadlineMs: 25_000 })
  const refused = expect(created).rejects.toMatchObject({ reason })
  while (directory.topic('fresh') === undefined) await client.call(Cluster.ListNodes, {})
  await happens()
  await refused
})

test('whoever waits for the leaders of a new topic asks of the first that is missing, and of none twice that was there', async () => {
  const count = 300
  const partitions = Array.from({ length: count }, (_, id) => ({ ...PARTITION, topic: 'wide', id, group: 2000 + id }))
  directory.createTopic = async ({ name, replicationFactor, kind }) => {
    const topic: TopicInfo = { name, kind, replicationFactor, partitions }
    directory.known.set(name, topic)
    return topic
  }
  let led = 0
  const asked: number[] = []
  directory.leaderOf = (group = 0) => {
    asked.push(group - 2000)
    return group - 2000 < led ? 1 : 0
  }
  const created = client.call(Topics.CreateTopic, { name: 'wide', partitions: count, replicationFactor: 1 })
  while (led < count) {
    // Word of one leader more, whenever the last word was heeded.
    if (asked.at(-1) === led) directory.setLeader(++led)
    await client.call(Cluster.ListNodes, {})
  }
  expect((await created).partitions).toHaveLength(count)
  // For waiting, for the answer, and what looks now and then for itself.
  expect(asked.length).toBeLessThan(4 * count)
})

test('a partition that changes hands while a new topic is being answered is waited for once more', async () => {
  const said = [1, 0, 0, 1]
  directory.leaderOf = () => said.shift() ?? 1
  const created = await client.call(Topics.CreateTopic, { name: 'fresh', partitions: 1, replicationFactor: 1 })
  expect(created.partitions).toMatchObject([{ leader: 'n1' }])
})

test('a partition of which no node speaks is part of the status, without an applied index', async () => {
  const [orders] = directory.topics()
  if (orders === undefined) throw new Error('no topic')
  directory.known.set('lost', { ...orders, name: 'lost', partitions: [{ ...PARTITION, topic: 'lost', group: 1009 }] })
  directory.leader = 0
  const { partitions } = await client.call(Cluster.Status, {})
  expect(partitions.find(({ topic }) => topic === 'lost')).toMatchObject({ id: 0, leader: '', applied: [] })
  expect(partitions.find(({ topic }) => topic === 'orders')?.applied).toHaveLength(1)
})

test('the damage of every node is part of the status, whichever was asked, and not heard of before', async () => {
  const place = { part: 'log', file: 'd/2.wal', offset: 512, groups: [7, 9], anyGroup: false, reason: 'torn' } as const
  const other = new FakeDirectory(2)
  const others = createBroker({ env: realEnv(), directory: other, config })
  const back = createApiServer({ env: realEnv() })
  back.open({ broker: others, directory: other, damage: () => [place] })
  try {
    const grpc = `127.0.0.1:${await back.listen('127.0.0.1:0')}`
    const node = { id: 2, name: 'n2', grpc, alive: false, version: '' }
    other.nodeList[1] = node
    directory.nodeList[1] = node
    expect((await client.call(Cluster.Status, {})).damage).toEqual([{ ...place, node: 'n2' }])
  } finally {
    back.close()
    others.close()
  }
})

test('a drain ends the streams with SHUTTING_DOWN', async () => {
  const consumer = client.consume()
  consumer.write({ subscribe })
  await consumer.next((m) => m.subscribed)
  const producer = client.produceStream()
  producer.write({ id: 1, request: { topic: 'orders', messages: [value('a')] } })
  await producer.next((m) => m.response)
  const drained = server.drain(1000)
  expect((await consumer.next((m) => m.end)).reason).toBe('SHUTTING_DOWN')
  await producer.over()
  expect(producer.error?.reason).toBe('SHUTTING_DOWN')
  await drained
})

test('a mark is echoed, and the group says when it has caught up', async () => {
  const consumer = client.consume()
  consumer.write({ subscribe })
  await consumer.next((m) => m.caughtUp)
  consumer.write({ mark: { id: 4 } })
  expect((await consumer.next((m) => m.mark)).id).toBe(4)
  consumer.cancel()
})
