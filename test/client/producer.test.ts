import { expect, test } from 'vitest'
import { SandglassError } from '../../src/base/errors.ts'
import { encodeOffset } from '../../src/base/offset.ts'
import { Calls } from '../../src/client/calls.ts'
import { createProducer, type Produced, type Producer, type ProducerOptions } from '../../src/client/producer.ts'
import { Routes } from '../../src/client/routes.ts'
import { createPartitioner } from '../../src/wire/partition.ts'
import { VirtualTime } from '../virtual-env.ts'
import { FakeCluster, type Fault } from './fake-cluster.ts'

const partitioner = await createPartitioner()

function setUp(options: { seed?: number; partitions?: number; id?: ProducerOptions['id']; timeoutMs?: number } = {}) {
  const { timeoutMs = 10_000 } = options
  const time = new VirtualTime(options.seed)
  const cluster = new FakeCluster(time, options.partitions)
  const env = time.env()
  const calls = new Calls(env, cluster, { addrs: ['a:1', 'b:1', 'c:1'], timeoutMs })
  const routes = new Routes(calls)
  const context = { env, transport: cluster, routes, partitioner, timeoutMs }
  return { time, cluster, producer: createProducer(context, { id: options.id }) }
}

/** What became of one message. */
type Outcome = { readonly value: string } & (
  | { readonly type: 'stored'; readonly at: Produced }
  | { readonly type: 'failed'; readonly error: SandglassError }
)

function produce(producer: Producer, count: number, from = 0): Promise<Outcome[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, n): Promise<Outcome> => {
      const value = `m${from + n}`
      try {
        return { value, type: 'stored', at: await producer.produce('t', { value }) }
      } catch (error) {
        if (!(error instanceof SandglassError)) throw error
        return { value, type: 'failed', error }
      }
    }),
  )
}

function reasons(outcomes: readonly Outcome[]): Set<string> {
  return new Set(outcomes.map((o) => (o.type === 'stored' ? 'stored' : `${o.error.reason} ${o.error.outcome}`)))
}

test('messages of one turn leave in one frame and come back with their offsets', async () => {
  const { time, cluster, producer } = setUp()
  const outcomes = await time.during(produce(producer, 100))
  expect(cluster.frames).toHaveLength(1)
  expect(cluster.partitions[0]?.stored).toEqual(outcomes.map((o) => o.value))
  const last = outcomes[99]
  const at = { offset: encodeOffset({ due: 1000, index: 99, partition: 0 }), partition: 0, index: 99, dueMs: 1000 }
  expect(last).toEqual({ value: 'm99', type: 'stored', at })
})

test('at most 1,024 sequences are unanswered, and the rest follows', async () => {
  const { time, cluster, producer } = setUp()
  cluster.fault = () => 'lost-silent'
  const all = produce(producer, 3000)
  await time.run(100)
  expect(cluster.frames.reduce((sum, frame) => sum + frame.values.length, 0)).toBe(1024)
  cluster.fault = () => 'none'
  expect(reasons(await time.during(all))).toEqual(new Set(['stored']))
  expect(cluster.partitions[0]?.stored).toHaveLength(3000)
})

test('a repeat after a lost answer is stored once, in order', async () => {
  const { time, cluster, producer } = setUp()
  const faults: Fault[] = ['none', 'stored-broken', 'none']
  cluster.fault = () => faults.shift() ?? 'none'
  const outcomes = await time.during(produce(producer, 1000))
  expect(reasons(outcomes)).toEqual(new Set(['stored']))
  expect(cluster.partitions[0]?.stored).toEqual(outcomes.map((o) => o.value))
})

test('a hint leads to the leader at once', async () => {
  const { time, cluster, producer } = setUp()
  cluster.staleLeader = 'a:1'
  cluster.leader = 'b:1'
  const outcomes = await time.during(produce(producer, 10))
  expect(reasons(outcomes)).toEqual(new Set(['stored']))
  expect(cluster.frames.map((frame) => frame.addr)).toEqual(['a:1', 'b:1'])
  expect(time.nowMs).toBeLessThan(20)
})

test('without a hint the leader is looked up again', async () => {
  const { time, cluster, producer } = setUp()
  await time.during(produce(producer, 1))
  cluster.leader = 'c:1'
  cluster.hints = false
  expect(reasons(await time.during(produce(producer, 10)))).toEqual(new Set(['stored']))
  expect(cluster.lookups).toBe(2)
})

test('a leader that takes frames and never answers is left for another', async () => {
  const { time, cluster, producer } = setUp()
  cluster.fault = () => 'lost-silent'
  const all = produce(producer, 10)
  await time.run(1000)
  cluster.leader = 'b:1'
  cluster.fault = () => 'none'
  expect(reasons(await time.during(all))).toEqual(new Set(['stored']))
  expect(time.nowMs).toBeLessThan(5000)
})

test('what surely never left is refused at the deadline, what may be stored is unknown', async () => {
  const { time, cluster, producer } = setUp()
  cluster.staleLeader = 'd:1'
  cluster.down.add('d:1')
  expect(reasons(await time.during(produce(producer, 10)))).toEqual(new Set(['UNREACHABLE refused']))
  expect(time.nowMs).toBeGreaterThanOrEqual(10_000)
  cluster.staleLeader = undefined
  cluster.fault = () => 'no-quorum'
  expect(reasons(await time.during(produce(producer, 10)))).toEqual(new Set(['NO_QUORUM refused']))
  cluster.fault = () => 'stored-unknown'
  expect(reasons(await time.during(produce(producer, 10)))).toEqual(new Set(['COMMIT_UNKNOWN unknown']))
})

test('a try once unknown stays unknown when later tries are refused', async () => {
  const { time, cluster, producer } = setUp()
  const faults: Fault[] = ['stored-broken']
  cluster.fault = () => faults.shift() ?? 'overloaded'
  expect(reasons(await time.during(produce(producer, 10)))).toEqual(new Set(['COMMIT_UNKNOWN unknown']))
})

test('after giving up on a sequence the next messages go under a new producer id from 1 on', async () => {
  const { time, cluster, producer } = setUp()
  cluster.fault = () => 'no-quorum'
  const late = produce(producer, 10)
  await time.run(9000)
  const young = produce(producer, 10, 10)
  expect(reasons(await time.during(late))).toEqual(new Set(['NO_QUORUM refused']))
  cluster.fault = () => 'none'
  expect(reasons(await time.during(young))).toEqual(new Set(['stored']))
  const [first, last] = [cluster.frames[0], cluster.frames.at(-1)]
  expect(last?.producer).not.toBe(first?.producer)
  expect([last?.first, last?.values]).toEqual([
    1,
    ['m10', 'm11', 'm12', 'm13', 'm14', 'm15', 'm16', 'm17', 'm18', 'm19'],
  ])
})

test('when a sequence is given up, what waits behind it for an answer is unknown, not stored again', async () => {
  const { time, cluster, producer } = setUp({ timeoutMs: 1000 })
  await time.during(produce(producer, 1))
  cluster.fault = () => 'stored-silent'
  const first = produce(producer, 10, 100)
  await time.run(500)
  const second = produce(producer, 10, 200)
  await time.run(100)
  cluster.fault = () => 'none'
  expect(reasons(await time.during(first))).toEqual(new Set(['COMMIT_UNKNOWN unknown']))
  expect(reasons(await time.during(second))).toEqual(new Set(['COMMIT_UNKNOWN unknown']))
  expect(cluster.partitions[0]?.stored).toHaveLength(21)
})

test('a server that forgot the producer gets a new id instead of the same refusal for ever', async () => {
  const { time, cluster, producer } = setUp()
  await time.during(produce(producer, 10))
  cluster.partitions[0]?.producers.clear()
  expect(reasons(await time.during(produce(producer, 10)))).toEqual(new Set(['stored']))
  expect(time.nowMs).toBeLessThan(1000)
})

test('a quiet producer takes a new id before the server forgets it', async () => {
  const { time, cluster, producer } = setUp()
  await time.during(produce(producer, 1))
  await time.run(16 * 60_000)
  await time.during(produce(producer, 1))
  expect(cluster.frames[1]?.producer).not.toBe(cluster.frames[0]?.producer)
  expect(cluster.frames[1]?.first).toBe(1)
})

test('a given id repeats what was produced under it without storing it again', async () => {
  const { time, cluster, producer } = setUp({ id: 'import-7' })
  await time.during(produce(producer, 10))
  expect(cluster.frames[0]?.producer).toBe(Buffer.from('import-7').toString('hex'))
  const context = { env: time.env(), transport: cluster, partitioner, timeoutMs: 10_000 }
  const calls = new Calls(context.env, cluster, { addrs: ['a:1'], timeoutMs: 10_000 })
  const again = createProducer({ ...context, routes: new Routes(calls) }, { id: 'import-7' })
  const outcomes = await time.during(produce(again, 10))
  expect(outcomes.map((o) => o.type === 'stored' && o.at.index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(cluster.partitions[0]?.stored).toHaveLength(10)
})

test('keys choose partitions, messages without go round them, and a partition can be named', async () => {
  const { time, cluster, producer } = setUp({ partitions: 16 })
  const keyed = await time.during(producer.produce('t', { value: 'x', key: 'order-42' }))
  expect(keyed.partition).toBe(2)
  const named = await time.during(producer.produce('t', { value: 'x', partition: 7 }))
  expect(named.partition).toBe(7)
  const before = cluster.partitions.map((p) => p.stored.length)
  await time.during(produce(producer, 32))
  expect(cluster.partitions.map((p, at) => p.stored.length - (before[at] ?? 0))).toEqual(new Array(16).fill(2))
})

test('bad input is refused with its field and stores nothing', async () => {
  const { time, cluster, producer } = setUp()
  const bad = [
    [{ value: 'x', key: Buffer.alloc(4097) }, 'key'],
    [{ value: Buffer.alloc(2 ** 20 + 1) }, 'value'],
    [{ value: 'x', headers: { h: 'x'.repeat(16_384) } }, 'headers'],
    [{ value: 'x', delayMs: -1 }, 'delayMs'],
    [{ value: 'x', delayMs: 11 * 366 * 86_400_000 }, 'delayMs'],
    [{ value: 'x', delayMs: 1, deliverAt: 1 }, 'deliverAt'],
    [{ value: 'x', deliverAt: Number.NaN }, 'deliverAt'],
    [{ value: 'x', channel: '__x' }, 'channel'],
    [{ value: 'x', partition: 1 }, 'partition'],
  ] as const
  for (const [message, field] of bad) {
    await expect(time.during(producer.produce('t', message))).rejects.toMatchObject({ reason: 'INVALID', field })
  }
  await expect(producer.produce('no topic', { value: 'x' })).rejects.toMatchObject({
    reason: 'INVALID',
    field: 'topic',
  })
  expect(cluster.frames).toHaveLength(0)
})

test('of a frame that a node refuses for one message, only that one fails, and the others keep their order', async () => {
  const { time, cluster, producer } = setUp()
  cluster.refused = 'm3'
  const outcomes = await time.during(produce(producer, 8))
  expect(outcomes.map((o) => (o.type === 'stored' ? 'stored' : o.error.field))).toEqual(
    Array.from({ length: 8 }, (_, n) => (n === 3 ? 'messages[3].delay_ms' : 'stored')),
  )
  expect(cluster.partitions[0]?.stored).toEqual(['m0', 'm1', 'm2', 'm4', 'm5', 'm6', 'm7'])
})

test('a topic that does not exist, or no longer, is said so', async () => {
  const { time, cluster, producer } = setUp()
  cluster.topicExists = false
  expect(reasons(await time.during(produce(producer, 3)))).toEqual(new Set(['TOPIC_NOT_FOUND refused']))
  cluster.topicExists = true
  await time.during(produce(producer, 1))
  cluster.topicExists = false
  cluster.leader = undefined
  expect(reasons(await time.during(produce(producer, 3)))).toEqual(new Set(['TOPIC_NOT_FOUND refused']))
})

test('close waits for what is unanswered and refuses what comes after', async () => {
  const { time, producer } = setUp()
  const all = produce(producer, 10)
  await time.during(producer.close())
  expect(reasons(await time.during(all))).toEqual(new Set(['stored']))
  await expect(producer.produce('t', { value: 'x' })).rejects.toMatchObject({ reason: 'SHUTTING_DOWN' })
})

test('more than fits waits for room and is stored in the end', async () => {
  const { time, cluster, producer } = setUp()
  const value = Buffer.alloc(2 ** 20)
  const all = Promise.all(Array.from({ length: 80 }, () => producer.produce('t', { value })))
  expect((await time.during(all)).map((p) => p.index)).toEqual(Array.from({ length: 80 }, (_, n) => n))
  expect(cluster.partitions[0]?.stored).toHaveLength(80)
})

const FAULTS: readonly Fault[] = [
  'stored-silent',
  'lost-silent',
  'stored-broken',
  'lost-broken',
  'stored-unknown',
  'overloaded',
  'no-quorum',
]

test.each(Array.from({ length: 40 }, (_, n) => n + 1))(
  'whatever breaks, stored is stored once, refused is not stored, and all is answered: seed %i',
  async (seed) => {
    // Half of the runs have too little time for all retries, so that sequences are given up.
    const hard = seed % 2 === 0
    const { time, cluster, producer } = setUp({ seed, timeoutMs: hard ? 700 : 10_000 })
    const oneOf = <T>(items: readonly T[]): T | undefined => items[Math.floor(time.random() * items.length)]
    cluster.fault = () => (time.random() < (hard ? 0.5 : 0.3) ? (oneOf(FAULTS) ?? 'none') : 'none')
    const parts: Promise<Outcome[]>[] = []
    for (let turn = 0; turn < 20; turn++) {
      parts.push(produce(producer, 1 + Math.floor(time.random() * 300), turn * 1000))
      await time.run(time.random() * 400)
      cluster.leader = oneOf(['a:1', 'b:1', 'c:1', 'a:1', 'b:1', 'c:1', undefined])
    }
    cluster.leader = 'b:1'
    const outcomes = (await time.during(Promise.all(parts))).flat()
    check(outcomes, cluster.partitions[0]?.stored ?? [])
  },
)

function check(outcomes: readonly Outcome[], stored: readonly string[]): void {
  const times = new Map<string, number>()
  for (const value of stored) times.set(value, (times.get(value) ?? 0) + 1)
  for (const outcome of outcomes) {
    const count = times.get(outcome.value) ?? 0
    if (outcome.type === 'stored') {
      expect([count, stored[outcome.at.index]], outcome.value).toEqual([1, outcome.value])
    } else {
      expect(count, `${outcome.value}: ${outcome.error.reason}`).toBeLessThanOrEqual(
        outcome.error.outcome === 'unknown' ? 1 : 0,
      )
    }
  }
}
