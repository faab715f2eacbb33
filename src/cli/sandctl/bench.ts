// sandctl bench: a quick load from one process, with books that must balance. For real figures see bench/.
import { randomBytes } from 'node:crypto'
import { build, type Histogram } from 'hdr-histogram-js'
import { SandglassError } from '../../base/errors.ts'
import { createConsumer } from '../../client/consumer.ts'
import type { Core } from '../../client/core.ts'
import { createProducer } from '../../client/producer.ts'
import { createTopics } from '../../client/topics.ts'
import { type Command, type Context, connected } from './context.ts'
import { EXIT } from './exit.ts'
import { Progress } from './progress.ts'

export interface BenchOptions {
  readonly topic: string
  readonly count: number
  readonly bytes: number
  readonly concurrency: number
}

const PARTITIONS = 3
const REPLICAS_MAX = 3

/** Produces `count` messages, `concurrency` at a time; latency is from call to answer. */
export function benchProduce(options: BenchOptions): Command {
  return (context) =>
    connected(context, async (core) => {
      await ensureTopic(core, options.topic)
      const progress = new Progress(context.surroundings.stderr, () => 'producing')
      const { offsets, histogram, elapsedMs } = await load(core, options, 'bench')
      progress.end()
      report(context, 'produce', options, { histogram, elapsedMs, ok: offsets.size === options.count })
      return offsets.size === options.count ? EXIT.ok : EXIT.refused
    })
}

/** Produces, then consumes and acknowledges all of it; latency is of the acks. */
export function benchConsume(options: BenchOptions): Command {
  return (context) =>
    connected(context, async (core) => {
      await ensureTopic(core, options.topic)
      const progress = new Progress(context.surroundings.stderr, () => 'producing and consuming')
      // A channel of its own: what earlier runs left is none of this one's books.
      const channel = `bench-${randomBytes(4).toString('hex')}`
      const { offsets } = await load(core, options, channel)
      const histogram = build()
      const startedAt = performance.now()
      await drain(core, { ...options, channel, offsets, histogram })
      const elapsedMs = performance.now() - startedAt
      progress.end()
      report(context, 'consume', options, { histogram, elapsedMs, ok: offsets.size === 0 })
      return EXIT.ok
    })
}

async function ensureTopic(core: Core, name: string): Promise<void> {
  const { nodes } = await core.calls.call('Cluster', 'ListNodes', {}, { mutating: false })
  const replicationFactor = Math.min(REPLICAS_MAX, Math.max(1, nodes.length))
  try {
    await createTopics(core.calls, () => undefined).create({ name, partitions: PARTITIONS, replicationFactor })
  } catch (error) {
    if (!(error instanceof SandglassError) || error.reason !== 'TOPIC_EXISTS') throw error
  }
}

async function load(
  core: Core,
  options: BenchOptions,
  channel: string,
): Promise<{ offsets: Set<string>; histogram: Histogram; elapsedMs: number }> {
  const producer = createProducer(core)
  const histogram = build()
  const offsets = new Set<string>()
  const value = randomBytes(options.bytes)
  const startedAt = performance.now()
  let left = options.count
  const caller = async (): Promise<void> => {
    while (left > 0) {
      left--
      const calledAt = performance.now()
      const { offset } = await producer.produce(options.topic, { value, channel })
      histogram.recordValue(Math.round((performance.now() - calledAt) * US_PER_MS))
      offsets.add(offset)
    }
  }
  await Promise.all(Array.from({ length: options.concurrency }, caller))
  const elapsedMs = performance.now() - startedAt
  await producer.close()
  return { offsets, histogram, elapsedMs }
}

/** Removes from `offsets` what was acknowledged; ends when none is left. */
async function drain(
  core: Core,
  options: BenchOptions & { channel: string; offsets: Set<string>; histogram: Histogram },
): Promise<void> {
  const { topic, channel, offsets, histogram, concurrency } = options
  const consumer = createConsumer(core, { topic, channel, group: 'bench', credit: Math.max(PARTITIONS, concurrency) })
  const failed: unknown[] = []
  for await (const delivery of consumer) {
    const calledAt = performance.now()
    delivery.ack().then(
      () => {
        histogram.recordValue(Math.round((performance.now() - calledAt) * US_PER_MS))
        offsets.delete(delivery.offset)
        if (offsets.size === 0) consumer.stop()
      },
      (error: unknown) => {
        failed.push(error)
        consumer.stop()
      },
    )
  }
  await consumer.close()
  if (failed.length > 0) throw failed[0]
}

interface Result {
  readonly histogram: Histogram
  readonly elapsedMs: number
  readonly ok: boolean
}

function report(context: Context, load: string, options: BenchOptions, { histogram, elapsedMs, ok }: Result): void {
  const row = {
    load,
    concurrency: options.concurrency,
    bytes: options.bytes,
    ratePerS: Math.round((options.count * 1000) / elapsedMs),
    p50Ms: histogram.getValueAtPercentile(50) / US_PER_MS,
    p99Ms: histogram.getValueAtPercentile(99) / US_PER_MS,
    books: ok ? 'ok' : 'wrong',
  }
  if (context.output.format === 'table') context.output.table(Object.keys(row), [Object.values(row)])
  else context.output.json(row)
}

const US_PER_MS = 1000
