/** The loads themselves: callers that each wait for their own answer, consumers that acknowledge what they get. */
import { build, type Histogram } from 'hdr-histogram-js'
import type { SandglassClient } from '../src/client/index.ts'
import { rounded } from './report.ts'

const US_PER_MS = 1000
const HIGHEST_US = 60_000_000

export interface Measured {
  readonly count: number
  readonly ratePerS: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** Times in ms, kept with three significant digits. */
export class Timings {
  readonly #histogram: Histogram = build({ highestTrackableValue: HIGHEST_US, numberOfSignificantValueDigits: 3 })

  add(ms: number): void {
    this.#histogram.recordValue(Math.min(HIGHEST_US, Math.max(1, Math.round(ms * US_PER_MS))))
  }

  measured(seconds: number): Measured {
    const at = (percentile: number) => rounded(this.#histogram.getValueAtPercentile(percentile) / US_PER_MS)
    const count = this.#histogram.totalCount
    return { count, ratePerS: Math.round(count / seconds), p50Ms: at(50), p99Ms: at(99), maxMs: at(100) }
  }
}

/** `callers` loops, each sending one message and waiting for its acknowledgement, for `seconds`. */
export async function produceLoad(
  client: SandglassClient,
  options: { topic: string; callers: number; bytes: number; seconds: number },
): Promise<Measured> {
  const producer = client.producer()
  const value = new Uint8Array(options.bytes).fill(120)
  const timings = new Timings()
  const started = performance.now()
  const end = started + options.seconds * 1000
  const caller = async () => {
    for (let now = performance.now(); now < end; ) {
      await producer.produce(options.topic, { value })
      const after = performance.now()
      timings.add(after - now)
      now = after
    }
  }
  await Promise.all(Array.from({ length: options.callers }, caller))
  await producer.close()
  return timings.measured((performance.now() - started) / 1000)
}

/** `count` messages as fast as they are taken, at most `window` unanswered. */
export async function fill(client: SandglassClient, topic: string, count: number, bytes: number): Promise<void> {
  const producer = client.producer()
  const value = new Uint8Array(bytes).fill(120)
  const window = 8192
  let sent = 0
  const caller = async () => {
    while (sent < count) {
      sent += 1
      await producer.produce(topic, { value })
    }
  }
  await Promise.all(Array.from({ length: window }, caller))
  await producer.close()
}

export interface Drained extends Measured {
  readonly distinct: number
}

/** `consumers` of one group take and acknowledge until `expected` different messages are acknowledged. */
export async function drain(
  clients: readonly SandglassClient[],
  options: { topic: string; group: string; expected: number; credit: number },
): Promise<Drained> {
  const timings = new Timings()
  const seen = new Set<string>()
  let acked = 0
  const started = performance.now()
  let resolve: () => void = () => undefined
  let reject: (error: unknown) => void = () => undefined
  const done = new Promise<void>((ok, failed) => {
    resolve = ok
    reject = failed
  })
  const iterators = clients.map((client, i) =>
    client
      .consumer({ topic: options.topic, group: options.group, name: `bench-${i}`, credit: options.credit })
      [Symbol.asyncIterator](),
  )
  const take = async (iterator: (typeof iterators)[number]) => {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      const { value: delivery } = next
      const received = performance.now()
      seen.add(delivery.offset)
      delivery.ack().then(() => {
        timings.add(performance.now() - received)
        acked += 1
        if (acked === options.expected) resolve()
      }, reject)
    }
  }
  for (const iterator of iterators) take(iterator).catch(reject)
  await done
  const seconds = (performance.now() - started) / 1000
  await Promise.all(iterators.map((iterator) => iterator.return?.()))
  return { ...timings.measured(seconds), distinct: seen.size }
}

/** From the call of produce to the delivery at a consumer that waits, at an even pace. Same process, same clock. */
export async function latency(
  client: SandglassClient,
  options: { topic: string; perSecond: number; seconds: number; bytes: number },
): Promise<Measured> {
  const timings = new Timings()
  const total = options.perSecond * options.seconds
  const sentAt = new Map<number, number>()
  const consumer = client.consumer({ topic: options.topic, group: 'latency', credit: 1000 })[Symbol.asyncIterator]()
  const acks: Promise<void>[] = []
  const all = (async () => {
    for (let received = 0; received < total; received += 1) {
      const next = await consumer.next()
      if (next.done === true) throw new Error('consumer ended')
      const id = Number(next.value.headers.id)
      timings.add(performance.now() - (sentAt.get(id) ?? Number.NaN))
      acks.push(next.value.ack())
    }
    await Promise.all(acks)
  })()
  const producer = client.producer()
  const value = new Uint8Array(options.bytes).fill(120)
  const started = performance.now()
  const answers: Promise<unknown>[] = []
  for (let id = 0; id < total; id += 1) {
    const due = started + (id * 1000) / options.perSecond
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())))
    sentAt.set(id, performance.now())
    answers.push(producer.produce(options.topic, { value, headers: { id: String(id) } }))
  }
  await Promise.all([...answers, all])
  await producer.close()
  await consumer.return?.()
  return timings.measured(options.seconds)
}
