/** Pull, Ack, Nack and Extend over real sockets: three partitions, two led by the asked node, one by another. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { realEnv } from '../../src/base/real-env.ts'
import { createBroker } from '../../src/broker/broker.ts'
import type { PartitionInfo } from '../../src/broker/directory.ts'
import { Partition } from '../../src/broker/partition.ts'
import type { Broker } from '../../src/broker/types.ts'
import { createApiServer } from '../../src/rpc/api-server.ts'
import type { ApiServer } from '../../src/rpc/api-types.ts'
import { decodeTimerCommand } from '../../src/views/timer/codec.ts'
import { SERVICES } from '../../src/wire/messages.ts'
import { FakeDirectory } from '../broker/fake-directory.ts'
import { MemoryHandle } from '../broker/memory-handle.ts'
import { ApiClient } from './api-client.ts'

const config = { leaseMs: 30_000, reattachMs: 5000, maxClockSkewMs: 2000 }
const { Queue } = SERVICES
const value = (text: string) => ({ body: { value: Buffer.from(text) } })
const group = { topic: 'orders', group: 'g' }
const pull = { ...group, consumer: 'c1' }
const LEADERS = [1, 1, 2]
const partitions: PartitionInfo[] = LEADERS.map((node, id) => ({
  topic: 'orders',
  id,
  group: 1001 + id,
  replicas: [{ replica: 1, node }],
}))

class Directory extends FakeDirectory {
  /** Partitions whose leader nobody knows. */
  readonly lost = new Set<number>()

  override leaderOf(group = 1001): number {
    return this.lost.has(group - 1001) ? 0 : (LEADERS[group - 1001] ?? 0)
  }
}

interface TestNode {
  readonly directory: Directory
  readonly broker: Broker
  readonly server: ApiServer
  readonly handles: Map<number, MemoryHandle>
  readonly client: ApiClient
}

let nodes: TestNode[]
let client: ApiClient

beforeEach(async () => {
  nodes = []
  const addresses: string[] = []
  for (const self of [1, 2]) {
    const env = realEnv()
    const directory = new Directory(self)
    directory.known.set('orders', { name: 'orders', kind: 'timer', replicationFactor: 1, partitions })
    const broker = createBroker({ env, directory, config })
    const handles = new Map<number, MemoryHandle>()
    for (const info of partitions.filter(({ id }) => LEADERS[id] === self)) {
      const handle = new MemoryHandle()
      handles.set(info.id, handle)
      broker.attachGroup(info, handle)
    }
    const server = createApiServer({ env })
    server.open({ broker, directory })
    const port = await server.listen('127.0.0.1:0')
    addresses.push(`127.0.0.1:${port}`)
    nodes.push({ directory, broker, server, handles, client: new ApiClient(port) })
  }
  for (const { directory } of nodes) {
    directory.nodeList.splice(0)
    for (const [i, grpc] of addresses.entries()) {
      directory.nodeList.push({ id: i + 1, name: `n${i + 1}`, grpc, alive: true, version: '' })
    }
  }
  client = node(1).client
})

afterEach(() => {
  for (const { client, broker, server } of nodes) {
    client.close()
    broker.close()
    server.close()
  }
})

function node(id: number): TestNode {
  const found = nodes[id - 1]
  if (found === undefined) throw new Error(`no node ${id}`)
  return found
}

function produce(partition: number, ...texts: readonly string[]): Promise<unknown> {
  return client.call(Queue.Produce, { topic: 'orders', partition, messages: texts.map(value) })
}

/** What a lease of the partition's group still holds. */
async function leased(partition: number): Promise<number | undefined> {
  const { partitions } = await client.call(Queue.DescribeGroup, group)
  return partitions.find(({ id }) => id === partition)?.leased
}

/** What happens beyond this process's sockets is seen by looking; the test's own time limit bounds it. */
async function until(happened: () => boolean): Promise<void> {
  while (!happened()) await new Promise((resolve) => setImmediate(resolve))
}

test.each([0, 2])('from partition %i: pull, extend, nack, pull again, ack', async (partition) => {
  await produce(partition, 'a', 'b')
  const first = await client.call(Queue.Pull, { ...pull, partition, maxMessages: 1, leaseMs: 20_000 })
  expect(first).toMatchObject({ partition, leaseMs: 20_000, deliveries: [{ count: 1 }] })
  const [delivery] = first.deliveries
  expect(Buffer.from(delivery?.body?.value ?? []).toString()).toBe('a')
  const held = { ...group, partition, index: [delivery?.index ?? 0], fence: [delivery?.fence ?? 0] }
  expect(await client.call(Queue.Extend, { ...held, leaseMs: 60_000 })).toEqual({ lost: [] })
  expect(await client.call(Queue.Nack, { ...held, keepPlace: true, reason: 'later' })).toEqual({ lost: [] })
  await expect(client.call(Queue.Ack, held)).rejects.toMatchObject({ reason: 'LEASE_LOST', outcome: 'refused' })
  // A pull answers with what is at hand, which need not be all that is due.
  const rest = await client.call(Queue.Pull, { ...pull, partition, waitMs: 1000 })
  const last = await client.call(Queue.Pull, { ...pull, partition })
  const both = [...rest.deliveries, ...last.deliveries]
  expect(both.map(({ count }) => count).sort()).toEqual([1, 2])
  const { index, fence } = held
  const all = {
    ...group,
    partition,
    index: [...index, ...both.map((d) => d.index)],
    fence: [...fence, ...both.map((d) => d.fence)],
  }
  // The first of them under its old fence; the others are settled all the same.
  expect(await client.call(Queue.Ack, all)).toEqual({ lost: [0] })
  expect(await leased(partition)).toBe(0)
})

test('a pull that does not wait says at once that nothing is due, one that waits gets what comes', async () => {
  const at = performance.now()
  const none = await client.call(Queue.Pull, { ...pull, partition: 0 })
  expect([none.deliveries, performance.now() - at < 900]).toEqual([[], true])
  const waiting = client.call(Queue.Pull, { ...pull, partition: 0, waitMs: 4000 })
  await produce(0, 'late')
  expect((await waiting).deliveries).toHaveLength(1)
})

test('without a partition: own ones first, others too, none twice, and none is hidden by another', async () => {
  const one = { ...pull, maxMessages: 1 }
  await produce(2, 'far')
  expect(await client.call(Queue.Pull, one)).toMatchObject({ partition: 2, deliveries: [{ count: 1 }] })
  for (const partition of [0, 1]) await produce(partition, 'x', 'y', 'z')
  const from: number[] = []
  for (let i = 0; i < 6; i++) {
    const got = await client.call(Queue.Pull, one)
    expect(got.deliveries).toHaveLength(1)
    from.push(got.partition)
  }
  expect(from.slice(0, 4)).toEqual(expect.arrayContaining([0, 1]))
  expect(from.sort()).toEqual([0, 0, 0, 1, 1, 1])
  expect((await client.call(Queue.Pull, one)).deliveries).toEqual([])
})

test.each([1, 2])('without a partition a waiting pull gets what comes to partition %i', async (partition) => {
  const waiting = client.call(Queue.Pull, { ...pull, waitMs: 4000 })
  // Every partition has been looked at once it is known that the group is there.
  await client.call(Queue.Pull, { ...pull, partition })
  await produce(partition, 'late')
  expect(await waiting).toMatchObject({ partition, deliveries: [{ count: 1 }] })
  expect(await leased(partition)).toBe(1)
})

test.each([0, 2])(
  'a pull from partition %i is answered before its deadline, and what comes then is not leased',
  async (partition) => {
    const short = client.call(Queue.Pull, { ...pull, partition, waitMs: 20_000 }, { deadlineMs: 300 })
    expect((await short).deliveries).toEqual([])
    await produce(partition, 'a')
    expect(await leased(partition)).toBe(0)
  },
)

test.each([0, 2])('a pull from partition %i that is cancelled takes nothing', async (partition) => {
  const cancel = new AbortController()
  const { signal: cancelled } = cancel
  const waiting = client.call(Queue.Pull, { ...pull, partition, waitMs: 20_000 }, { deadlineMs: 20_000, cancelled })
  const ended = expect(waiting).rejects.toMatchObject({ reason: 'COMMIT_UNKNOWN' })
  const leader = node(LEADERS[partition] ?? 0).handles.get(partition)
  const sessions = () => leader?.view.group({ channel: 'master', group: 'g' })?.sessions().length
  await until(() => sessions() === 1)
  cancel.abort()
  await ended
  await until(() => sessions() === 0)
  await produce(partition, 'a')
  expect(await leased(partition)).toBe(0)
})

test.each([0, 2])(
  'a pull that waits on partition %i of a known group and is cancelled stores nothing',
  async (partition) => {
    await client.call(Queue.Pull, { ...pull, partition })
    const { broker, handles } = node(LEADERS[partition] ?? 0)
    const { proposed } = handles.get(partition) ?? new MemoryHandle()
    const [leader] = [...broker.partitions()].filter(({ info }) => info.id === partition)
    const waiters = () => leader?.leadership?.dispatcher.size
    await until(() => waiters() === 0)
    const before = proposed.length
    const cancel = new AbortController()
    const { signal: cancelled } = cancel
    const waiting = client.call(Queue.Pull, { ...pull, partition, waitMs: 20_000 }, { deadlineMs: 20_000, cancelled })
    const ended = expect(waiting).rejects.toMatchObject({ reason: 'COMMIT_UNKNOWN' })
    await until(() => waiters() === 1)
    cancel.abort()
    await ended
    await until(() => waiters() === 0)
    expect(proposed.length).toBe(before)
    await produce(partition, 'a')
    expect(await leased(partition)).toBe(0)
  },
)

test('an ack and a nack are stored though their callers have gone before they are proposed, an extend is not', async () => {
  await produce(0, 'a', 'b', 'c')
  const { deliveries } = await client.call(Queue.Pull, { ...pull, partition: 0 })
  const leader = node(1).handles.get(0) ?? new MemoryHandle()
  leader.manual = true
  // Two entries are on their way: what settles little waits for one of them.
  const stored: Promise<unknown>[] = []
  for (let i = 1; i <= 2; i++) {
    stored.push(produce(0, 'x'))
    await until(() => leader.waiting.length === i)
  }
  const asked = vi.spyOn(Partition.prototype, 'settle')
  const cancel = new AbortController()
  const options = { deadlineMs: 20_000, cancelled: cancel.signal }
  const [a, b, c] = deliveries.map(({ index, fence }) => ({ ...group, partition: 0, index: [index], fence: [fence] }))
  const calls = [
    client.call(Queue.Ack, { ...a }, options),
    client.call(Queue.Nack, { ...b }, options),
    client.call(Queue.Extend, { ...c, leaseMs: 60_000 }, options),
  ]
  const ended = Promise.all(calls.map((call) => expect(call).rejects.toMatchObject({ reason: 'COMMIT_UNKNOWN' })))
  await until(() => asked.mock.calls.length === 3)
  cancel.abort()
  await ended
  const extend = asked.mock.calls.find(([{ type }]) => type === 'extend')
  // The last of them by one connection: the others have gone too.
  await until(() => extend?.[2]?.() === false)
  asked.mockRestore()
  leader.manual = false
  const before = leader.proposed.length
  leader.applyNext()
  await Promise.all(stored)
  await until(() => leader.proposed.length > before)
  const commands = leader.proposed.slice(before).flatMap((entry) => entry.commands)
  expect(commands.map((bytes) => decodeTimerCommand(bytes).type).sort()).toEqual(['ack', 'nack'])
})

test('streams passed on to a node end when that node is gone, and need not wait for its connection; a call waits on', async () => {
  const { directory } = node(1)
  const leader = node(2).handles.get(2)
  if (leader === undefined) throw new Error('no leader')
  const consumer = client.consume()
  const session = Buffer.alloc(16, 7)
  consumer.write({ subscribe: { topic: 'orders', partition: 2, group: 'g', consumer: 'c1', session, credit: 10 } })
  await consumer.next((m) => m.subscribed)
  leader.manual = true
  const producer = client.produceStream()
  producer.write({ id: 9, request: { topic: 'orders', partition: 2, messages: [value('a')] } })
  const request = { topic: 'orders', partition: 2, messages: [value('b')] }
  const unary = client.call(Queue.Produce, request, { deadlineMs: 25_000 })
  await until(() => leader.waiting.flatMap(({ commands }) => commands).length === 2)
  const at = performance.now()
  directory.nodeList.splice(1, 1, { id: 2, name: 'n2', grpc: 'nowhere:1', alive: false, version: '' })
  directory.setLeader(0)
  expect(await producer.next((m) => m.error)).toMatchObject({ reason: 'COMMIT_UNKNOWN' })
  expect(await consumer.next((m) => m.end)).toMatchObject({ reason: 'UNREACHABLE' })
  expect(performance.now() - at).toBeLessThan(8000)
  // It was only slow.
  leader.applyNext()
  expect(await unary).toMatchObject({ index: [expect.any(Number)] })
})

test('what was passed on to a node that goes before it answers is unknown: it may have been stored', async () => {
  await produce(2, 'a')
  const { deliveries } = await client.call(Queue.Pull, { ...pull, partition: 2 })
  const leader = node(2).handles.get(2) ?? new MemoryHandle()
  leader.manual = true
  const asked = vi.spyOn(Partition.prototype, 'settle')
  const [index, fence] = [deliveries.map((one) => one.index), deliveries.map((one) => one.fence)]
  const options = { deadlineMs: 3000 }
  const calls = [
    client.call(Queue.Produce, { topic: 'orders', partition: 2, messages: [value('b')] }, options),
    client.call(Queue.Ack, { ...group, partition: 2, index, fence }, options),
  ]
  const ended = Promise.all(
    calls.map((call) => expect(call).rejects.toMatchObject({ reason: 'COMMIT_UNKNOWN', outcome: 'unknown' })),
  )
  await until(() => leader.waiting.length > 0 && asked.mock.calls.length === 1)
  asked.mockRestore()
  node(2).server.close()
  await ended
})

test('partitions without a leader hide nothing, and all without one are NO_QUORUM', async () => {
  node(1).directory.lost.add(2)
  await produce(1, 'a')
  expect(await client.call(Queue.Pull, pull)).toMatchObject({ partition: 1 })
  for (const handle of node(1).handles.values()) handle.change({ role: 'follower', ready: false, leaderNode: 0 })
  for (const id of [0, 1]) node(1).directory.lost.add(id)
  await expect(client.call(Queue.Pull, pull)).rejects.toMatchObject({ reason: 'NO_QUORUM', outcome: 'refused' })
})

test.each([
  ['partition 0', 0, 0],
  ['partition 2, led elsewhere', 2, 2],
  ['any partition', null, 0],
])('a pull that waits on %s hears at once that the topic was deleted', async (_, partition, looked) => {
  const waiting = client.call(Queue.Pull, { ...pull, partition, waitMs: 15_000 }, { deadlineMs: 25_000 })
  const ended = expect(waiting).rejects.toMatchObject({ reason: 'TOPIC_NOT_FOUND' })
  const leader = node(LEADERS[looked] ?? 0).handles.get(looked)
  await until(() => leader?.view.group({ channel: 'master', group: 'g' })?.sessions().length === 1)
  const at = performance.now()
  for (const { directory, broker } of nodes) {
    await directory.deleteTopic('orders')
    for (const { group: id } of partitions) broker.detachGroup(id)
  }
  await ended
  expect(performance.now() - at).toBeLessThan(10_000)
})

test('a pull on a topic without a leader hears at once that it was deleted', async () => {
  for (const id of [0, 1, 2]) node(1).directory.lost.add(id)
  for (const handle of node(1).handles.values()) handle.change({ role: 'follower', ready: false, leaderNode: 0 })
  const waiting = client.call(Queue.Pull, { ...pull, waitMs: 15_000 }, { deadlineMs: 25_000 })
  const ended = expect(waiting).rejects.toMatchObject({ reason: 'TOPIC_NOT_FOUND' })
  await client.call(SERVICES.Cluster.ListNodes, {})
  await node(1).directory.deleteTopic('orders')
  await ended
})

test.each([0, null])('a drain ends pulls that wait on partition %s with SHUTTING_DOWN', async (partition) => {
  const waiting = client.call(Queue.Pull, { ...pull, partition, waitMs: 20_000 }, { deadlineMs: 25_000 })
  const ended = expect(waiting).rejects.toMatchObject({ reason: 'SHUTTING_DOWN' })
  await until(() => node(1).handles.get(0)?.view.group({ channel: 'master', group: 'g' })?.sessions().length === 1)
  await node(1).server.drain(2000)
  await ended
})

test('bad requests are refused with their field', async () => {
  const bad = {
    group: { ...pull, group: '' },
    consumer: { ...pull, consumer: '__pull.x' },
    max_messages: { ...pull, maxMessages: 1001 },
    wait_ms: { ...pull, waitMs: 30_001 },
    lease_ms: { ...pull, leaseMs: 2 ** 45 },
    partition: { ...pull, partition: 3 },
  }
  for (const [field, request] of Object.entries(bad)) {
    await expect(client.call(Queue.Pull, request), field).rejects.toMatchObject({ reason: 'INVALID', field })
  }
  const held = { ...group, partition: 0, index: [1], fence: [] }
  await expect(client.call(Queue.Ack, held)).rejects.toMatchObject({ reason: 'INVALID', field: 'fence' })
  const early = { ...group, partition: 0, index: [1], fence: [1], delayMs: 5, keepPlace: true }
  await expect(client.call(Queue.Nack, early)).rejects.toMatchObject({ reason: 'INVALID', field: 'delay_ms' })
  const unknown = { ...group, group: 'nobody', partition: 0, index: [1], fence: [1] }
  await expect(client.call(Queue.Ack, unknown)).rejects.toMatchObject({ reason: 'GROUP_NOT_FOUND' })
})
