/** The public server on a real socket against clients that leave undone what a library would do. */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:http2'
import { afterEach, expect, test } from 'vitest'
import { realEnv } from '../../../src/base/real-env.ts'
import { createBroker } from '../../../src/broker/broker.ts'
import { createApiServer } from '../../../src/rpc/api-server.ts'
import type { ApiServer } from '../../../src/rpc/api-types.ts'
import { STREAMS_UNTRIED } from '../../../src/rpc/bounds/client-calls.ts'
import { type Bounds, DEFAULT_BOUNDS } from '../../../src/rpc/bounds/types.ts'
import { SERVICES } from '../../../src/wire/messages.ts'
import { createClientWire } from '../../../src/wire/wire.ts'
import { FakeDirectory, PARTITION } from '../../broker/fake-directory.ts'
import { MemoryHandle } from '../../broker/memory-handle.ts'
import { ApiClient } from '../api-client.ts'
import { type RawCall, RawClient } from './raw-client.ts'

const { Queue, Topics } = SERVICES
const KIB = 1024
const MIB = 1024 * KIB
const wire = createClientWire()
const listTopics = wire.codec('ListTopicsRequest').encode({})

let server: ApiServer
const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function serve(bounds: Partial<Bounds>): Promise<{ raw: () => RawClient; honest: () => ApiClient }> {
  const env = realEnv()
  const directory = new FakeDirectory()
  const broker = createBroker({
    env,
    directory,
    config: { leaseMs: 30_000, reattachMs: 5000, maxClockSkewMs: 2000 },
  })
  const handle = new MemoryHandle()
  handle.wallMs = () => env.wallMs()
  broker.attachGroup(PARTITION, handle)
  server = createApiServer({ env, bounds: { ...DEFAULT_BOUNDS, ...bounds } })
  server.open({ broker, directory })
  const port = await server.listen('127.0.0.1:0')
  closers.push(() => {
    broker.close()
    server.close()
  })
  const opened = <C extends { close(): void }>(client: C): C => {
    closers.unshift(() => client.close())
    return client
  }
  return { raw: () => opened(new RawClient(port)), honest: () => opened(new ApiClient(port)) }
}

/** The server sees what a client did with a later turn of the loop. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}

const outcomes = (calls: readonly RawCall[]) => Promise.all(calls.map(({ outcome }) => outcome))
const produced = (client: ApiClient, bytes = 5) =>
  client.call(Queue.Produce, { topic: 'orders', messages: [{ body: { value: Buffer.alloc(bytes) } }] })

test('a stream without a first frame is ended, and nothing of it stays', async () => {
  const { raw } = await serve({ frameMs: 50 })
  const client = raw()
  const calls = [client.call(Queue.Consume.path), client.call(Queue.ProduceStream.path)]
  calls[1]?.begin(100, Buffer.alloc(10))
  expect(await outcomes(calls)).toEqual(['DEADLINE', 'DEADLINE'])
  expect(server.stats()).toMatchObject({ streams: 0, unfinishedBytes: 0, refused: { time: 2 } })
})

test('a later frame that does not end is ended as well', async () => {
  const { raw } = await serve({ frameMs: 100 })
  const call = raw().call(Queue.ProduceStream.path)
  const request = { topic: 'orders', partition: 0, messages: [{ body: { value: Buffer.from('x') } }] }
  const frame = wire.codec('ProduceFrame').encode({ id: 1, request })
  call.begin(frame.length, frame)
  await new Promise((resolve) => call.stream.once('data', resolve))
  expect(server.stats()).toMatchObject({ streams: 1, refused: { time: 0 } })
  call.begin(100, Buffer.alloc(10))
  expect(await call.outcome).toBe('DEADLINE')
  expect(server.stats()).toMatchObject({ streams: 0, unfinishedBytes: 0, refused: { time: 1 } })
})

test('a unary call that does not bring its request is answered in time, from its first header on', async () => {
  const { raw } = await serve({ unaryMs: 50 })
  const client = raw()
  const calls = [client.call(Queue.Produce.path), client.call(Topics.ListTopics.path), client.call(Queue.Fetch.path)]
  calls[0]?.begin(MIB, Buffer.alloc(1000))
  // Whole, and not half-closed.
  calls[1]?.begin(listTopics.length, listTopics)
  expect(await outcomes(calls)).toEqual(['DEADLINE', 'DEADLINE', 'DEADLINE'])
  expect(server.stats()).toMatchObject({ streams: 0, unfinishedBytes: 0, refused: { time: 3 } })
})

test('a unary call is answered within its time, however long its client would wait', async () => {
  const waitMs = 4000
  const { raw } = await serve({ unaryMs: 50 })
  const request = wire.codec('PullRequest').encode({ topic: 'orders', partition: 0, group: 'g', consumer: 'c', waitMs })
  const begunMs = performance.now()
  // It says nothing of a deadline.
  const call = raw().call(Queue.Pull.path)
  call.begin(request.length, request)
  call.stream.end()
  expect(await call.outcome).toBe('OK')
  expect(performance.now() - begunMs).toBeLessThan(waitMs)
})

test('a call that was answered is closed though its client leaves it open', async () => {
  const { raw } = await serve({ frameMs: 50 })
  const call = raw().call(Queue.Consume.path)
  call.begin(3, Buffer.from([10, 200, 200]))
  await new Promise((resolve) => call.stream.once('end', resolve))
  await call.outcome
  expect(server.stats()).toMatchObject({ streams: 0, unfinishedBytes: 0, refused: { time: 0 } })
})

test('at the bound of streams a newcomer is served, and who has most is refused with a reason', async () => {
  const { raw, honest } = await serve({ streams: 20 })
  const greedy = raw()
  const calls = Array.from({ length: 40 }, () => greedy.call(Queue.Consume.path))
  expect(await outcomes(calls.slice(20))).toEqual(Array(20).fill('OVERLOADED'))
  expect(server.stats()).toMatchObject({ connections: 1, streams: 20, refused: { streams: 20 } })
  const stored = await produced(honest())
  expect(stored.index).toHaveLength(1)
  expect(await calls[0]?.outcome).toBe('OVERLOADED')
  greedy.close()
  await until(() => server.stats().streams === 0)
})

test('a connection that asks on and on though it is refused is closed', async () => {
  const { raw } = await serve({ streams: 16 })
  const greedy = raw()
  for (let i = 0; i < 16 + 100; i++) greedy.call(Queue.Consume.path)
  await greedy.closed
  await until(() => server.stats().streams === 0 && server.stats().connections === 0)
})

test.each([Queue.Consume.path, Queue.ProduceStream.path, Queue.Produce.path])(
  "a connection that opens calls of %s and takes them back at once is closed, the rest of them nobody's affair",
  async (path) => {
    const { raw, honest } = await serve({})
    const greedy = raw()
    await new Promise((resolve) => greedy.session.once('remoteSettings', resolve))
    // Those that wait in the client take the place of each that is gone: what one read brings is many times the bound.
    const calls = Array.from({ length: 2000 }, () => greedy.call(path))
    await until(() => server.stats().streams === STREAMS_UNTRIED)
    for (const { stream } of calls) stream.close(constants.NGHTTP2_CANCEL)
    await greedy.closed
    await until(() => server.stats().streams === 0 && server.stats().connections === 0)
    expect(server.stats().refused).toMatchObject({ streams: 1, time: 0 })
    expect((await produced(honest())).index).toHaveLength(1)
  },
)

test.each([Queue.ProduceStream.path, Queue.Produce.path])(
  'a connection that opens calls of %s and ends its half of them at once is closed as well',
  async (path) => {
    const { raw } = await serve({})
    const greedy = raw()
    for (let i = 0; i < 2000; i++) greedy.call(path).stream.end()
    await greedy.closed
    await until(() => server.stats().streams === 0 && server.stats().connections === 0)
    expect(server.stats().refused).toMatchObject({ streams: 1, time: 0 })
  },
)

test('who is turned away before he could ask has taken nothing back, however often he comes', async () => {
  server = createApiServer({ env: realEnv() })
  const client = new ApiClient(await server.listen('127.0.0.1:0'))
  closers.push(
    () => client.close(),
    () => server.close(),
  )
  const streams = Array.from({ length: 8 * STREAMS_UNTRIED }, () => client.consume())
  for (const stream of streams) {
    stream.write({ subscribe: { topic: 'orders', group: 'g', consumer: 'c', session: randomBytes(16), credit: 1 } })
  }
  await Promise.all(streams.map((stream) => stream.over()))
  expect(new Set(streams.map(({ error }) => error?.message))).toEqual(new Set(['Cannot serve yet: the node starts']))
  expect(server.stats()).toMatchObject({ connections: 1, refused: { streams: 0 } })
})

test('who takes back streams that have asked for something is as welcome as before', async () => {
  const { honest } = await serve({})
  const client = honest()
  for (let round = 0; round < 20; round++) {
    const streams = Array.from({ length: 10 }, (_, i) => {
      const stream = client.consume()
      stream.write({
        subscribe: { topic: 'orders', group: 'g', consumer: `c${i}`, session: randomBytes(16), credit: 1 },
      })
      return stream
    })
    await Promise.all(streams.map((stream) => stream.next((m) => m.subscribed)))
    for (const stream of streams) stream.cancel()
    await until(() => server.stats().streams === 0)
  }
  expect(server.stats()).toMatchObject({ connections: 1, refused: { streams: 0 } })
})

test('unfinished messages take no more than their bound, and an honest frame goes through beside them', async () => {
  const { raw, honest } = await serve({ unfinishedBytes: 4 * MIB })
  const greedy = raw()
  const calls = Array.from({ length: 24 }, () => {
    const call = greedy.call(Queue.ProduceStream.path)
    call.begin(16 * MIB, Buffer.alloc(256 * KIB))
    return call
  })
  expect(await calls[0]?.outcome).toBe('OVERLOADED')
  expect((await produced(honest(), 900 * KIB)).index).toHaveLength(1)
  expect(server.stats().unfinishedBytes).toBeLessThanOrEqual(4 * MIB)
  expect(server.stats().refused.bytes).toBeGreaterThan(0)
  greedy.close()
  await until(() => server.stats().unfinishedBytes === 0)
})

test('answers that nobody takes are within the same bound', async () => {
  const { raw, honest } = await serve({ unfinishedBytes: MIB })
  const client = honest()
  for (let i = 0; i < 4; i++) await produced(client, 512 * KIB)
  const greedy = raw()
  const request = wire.codec('FetchRequest').encode({ topic: 'orders', partition: 0, limit: 10 })
  const calls = Array.from({ length: 3 }, () => {
    const call = greedy.call(Queue.Fetch.path)
    call.stream.pause()
    call.begin(request.length, request)
    call.stream.end()
    return call
  })
  expect(await Promise.race(calls.map(({ outcome }) => outcome))).toBe('reset')
  await until(() => server.stats().unfinishedBytes <= MIB)
  expect((await produced(client)).index).toHaveLength(1)
})

test('a client that makes use of its streams gets more than it begins with', async () => {
  const { honest } = await serve({})
  const client = honest()
  const streams = Array.from({ length: 350 }, (_, i) => {
    const stream = client.consume()
    const session = Buffer.alloc(16)
    session.writeUInt32BE(i)
    stream.write({ subscribe: { topic: 'orders', group: 'g', consumer: `c${i}`, session, credit: 1 } })
    return stream
  })
  await Promise.all(streams.map((stream) => stream.next((m) => m.subscribed)))
  expect(server.stats()).toMatchObject({ connections: 1, streams: 350, refused: { streams: 0 } })
})

/** A consumer that holds the one message there is, over a connection of its own. */
async function holder(raw: () => RawClient, consumer: string): Promise<RawClient> {
  const client = raw()
  const call = client.call(Queue.Consume.path)
  const frame = wire.codec('ConsumeRequest').encode({
    subscribe: { topic: 'orders', group: 'g', consumer, session: randomBytes(16), credit: 1 },
  })
  const held = new Promise<void>((resolve) => {
    call.stream.on('data', (bytes: Buffer) => {
      if (wire.codec('ConsumeResponse').decode(bytes.subarray(5)).deliveries !== null) resolve()
    })
  })
  call.begin(frame.length, frame)
  await held
  return client
}

test.each([
  ['is closed by the system, as that of a killed process', (client: RawClient) => client.socket.end()],
  ['is reset', (client: RawClient) => client.socket.resetAndDestroy()],
  ['is destroyed', (client: RawClient) => client.session.destroy()],
])('a connection that %s under a consumer is no goodbye: what he holds stays leased', async (_how, breaks) => {
  const { raw, honest } = await serve({})
  const client = honest()
  await produced(client)
  const lost = await holder(raw, 'first')
  await until(() => server.stats().streams === 1)
  breaks(lost)
  await until(() => server.stats().streams === 0)
  const other = client.consume()
  other.write({ subscribe: { topic: 'orders', group: 'g', consumer: 'second', session: randomBytes(16), credit: 1 } })
  const first = await other.next((m) =>
    m.caughtUp !== null ? 'nothing' : m.deliveries !== null ? 'the message' : undefined,
  )
  expect(first).toBe('nothing')
})
