/**
 * `npm run bench -- soak`: messages produced, delayed and consumed at a steady rate for as long as asked, a node killed and
 * started again every half minute. At the end every message is accounted for, and memory and log are what they were.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Argv } from 'yargs'
import type { Cluster } from '../chaos/harness/cluster.ts'
import { eventually } from '../chaos/harness/deadline.ts'
import type { NodeProcess } from '../chaos/harness/node-process.ts'
import { type SandglassClient, SandglassError } from '../src/client/index.ts'
import { diskBytes } from './disk-usage.ts'
import { MemoryWatch } from './memory-watch.ts'
import { Progress } from './progress.ts'
import type { Report } from './report.ts'
import { SoakBooks } from './soak-books.ts'
import { withCluster } from './with-cluster.ts'

const TOPIC = 'soak'
const PARTITIONS = 12
const BYTES = 256
const CONSUMERS = 3
const CREDIT = 2000
const TICK_MS = 10
/** Every third message is due at a random time from now on. */
const DELAYED_EVERY = 3
const DELAY_MS = 30_000
const KILL_EVERY_MS = 30_000
const DOWN_MS = 1000
const READY_MS = 60_000
/** Longest time for the rest: delays, and leases that a kill left behind. */
const REST_MS = 120_000
const UNANSWERED_MAX = 50_000
const QUARTERS = 4
const GROWTH_MAX = 1.1
const NUMBER_BYTES = 8
const MIB = 2 ** 20

interface Options {
  readonly minutes: number
  readonly rate: number
}

export const soakCommand = {
  command: 'soak',
  describe:
    'produce, delay, consume at a steady rate; kill -9 of a node every 30 s; memory of the last quarter over the second (levels off after about 5 minutes)',
  builder: (argv: Argv) =>
    argv
      .option('minutes', { type: 'number', describe: 'for so long', default: 20 })
      .option('rate', { type: 'number', describe: 'messages a second', default: 1000 })
      .strict(),
  handler: async (options: Options): Promise<void> => {
    process.exitCode = await withCluster((cluster, report) => new Soak(cluster, report, options).run())
  },
}

class Soak {
  readonly #cluster: Cluster
  readonly #report: Report
  readonly #minutes: number
  readonly #rate: number
  readonly #books: SoakBooks
  readonly #memory: MemoryWatch
  #unanswered = 0
  #number = 0
  #kills = 0
  /** Highest seen of each node. */
  #logBytes: number[]
  #producing = true
  #failed: unknown

  constructor(cluster: Cluster, report: Report, { minutes, rate }: Options) {
    this.#cluster = cluster
    this.#report = report
    this.#minutes = minutes
    this.#rate = rate
    this.#books = new SoakBooks(Math.ceil(rate * 60 * (minutes + 1)))
    this.#memory = new MemoryWatch(cluster)
    this.#logBytes = cluster.nodes.map(() => 0)
  }

  async run(): Promise<void> {
    const client = await this.#cluster.client({ timeoutMs: 60_000 })
    await client.topics.create({ name: TOPIC, partitions: PARTITIONS, replicationFactor: 3 })
    const progress = new Progress(() => this.#line())
    const consumers = await Promise.all(Array.from({ length: CONSUMERS }, () => this.#cluster.client()))
    for (const [i, consumer] of consumers.entries()) this.#background(this.#consume(consumer, `soak-${i}`))
    this.#background(this.#produce(client))
    this.#background(this.#watchLog())
    const killing = this.#kill()
    this.#background(killing)
    const means: (readonly number[])[] = []
    for (let quarter = 1; quarter <= QUARTERS; quarter++) means.push(await this.#quarter(quarter))
    this.#producing = false
    await killing
    const settled = () => this.#failed !== undefined || (this.#unanswered === 0 && this.#books.waiting === 0)
    await eventually('everything acknowledged', REST_MS, settled).catch(() => 'the books say what is missing')
    progress.end()
    this.#memory.stop()
    if (this.#failed !== undefined) throw this.#failed
    this.#conclude(means)
  }

  async #quarter(quarter: number): Promise<readonly number[]> {
    this.#memory.since()
    const [started, acked] = [performance.now(), this.#books.acked]
    while (this.#failed === undefined && performance.now() - started < (this.#minutes * 60_000) / QUARTERS) {
      await delay(TICK_MS)
    }
    const ratePerS = Math.round(((this.#books.acked - acked) / (performance.now() - started)) * 1000)
    const memory = this.#memory.since()
    this.#report.add({
      ...{ load: `soak, quarter ${quarter}`, messages: this.#books.produced, bytes: BYTES, ratePerS, ...memory },
      books: 'ok',
    })
    return memory.meanMiB
  }

  #conclude(means: readonly (readonly number[])[]): void {
    const [, second = [], , last = []] = means
    const growth = last.map((mib, i) => Number((mib / (second[i] ?? mib)).toFixed(2)))
    const { produced, unknown, refused, again } = this.#books
    this.#report.add({
      ...{ load: `soak, ${this.#kills} kills`, messages: produced, growth },
      logMiB: this.#logBytes.map((bytes) => Math.round(bytes / MIB)),
      goal: growth.every((factor) => factor <= GROWTH_MAX) ? 'met' : `missed: memory grew by more than ${GROWTH_MAX}`,
      note: `${unknown} unanswered, ${refused} refused, ${again} delivered again after a kill`,
      books: this.#books.verdict(),
    })
  }

  #line(): string {
    const { produced, waiting, again } = this.#books
    const rss = this.#memory.now().rssMiB.join(' / ')
    return `${produced} stored, ${waiting} of them wait, ${again} again, ${this.#kills} kills, RSS ${rss} MiB`
  }

  #background(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#failed ??= error
    })
  }

  async #produce(client: SandglassClient): Promise<void> {
    const producer = client.producer()
    const started = performance.now()
    while (this.#producing) {
      const due = ((performance.now() - started) * this.#rate) / 1000
      while (this.#number < due && this.#unanswered < UNANSWERED_MAX) this.#send(producer)
      await delay(TICK_MS)
    }
  }

  #send(producer: ReturnType<SandglassClient['producer']>): void {
    const number = this.#number++
    const value = Buffer.alloc(BYTES)
    value.writeDoubleLE(number)
    const delayed = number % DELAYED_EVERY === 0
    this.#unanswered++
    producer.produce(TOPIC, { value, ...(delayed && { delayMs: Math.random() * DELAY_MS }) }).then(
      () => {
        this.#unanswered--
        this.#books.stored(number)
      },
      (error: unknown) => {
        this.#unanswered--
        if (error instanceof SandglassError) this.#books.failed(number, error.outcome)
        else this.#failed ??= error
      },
    )
  }

  async #consume(client: SandglassClient, name: string): Promise<void> {
    for await (const delivery of client.consumer({ topic: TOPIC, group: 'soak', name, credit: CREDIT })) {
      const { value } = delivery
      const number = Buffer.from(value.buffer, value.byteOffset, NUMBER_BYTES).readDoubleLE(0)
      this.#books.delivered(number, delivery, Date.now())
      delivery.ack().then(
        () => this.#books.settled(number),
        (error: unknown) => {
          if (!(error instanceof SandglassError)) this.#failed ??= error
          else if (error.reason !== 'LEASE_LOST') this.#books.doubtful(number)
        },
      )
    }
  }

  /** A random node each time, but every node once before any comes again: their memory is compared over time. */
  async #kill(): Promise<void> {
    const end = performance.now() + this.#minutes * 60_000
    let order: readonly NodeProcess[] = []
    for (;;) {
      await delay(Math.min(KILL_EVERY_MS, Math.max(0, end - performance.now())))
      if (performance.now() >= end || this.#failed !== undefined) return
      if (order.length === 0) order = shuffled(this.#cluster.nodes)
      const [node, ...rest] = order
      order = rest
      if (node === undefined) return
      await node.kill()
      this.#kills++
      await delay(DOWN_MS)
      node.start()
      await node.ready(READY_MS)
    }
  }

  async #watchLog(): Promise<void> {
    while (this.#producing && this.#failed === undefined) {
      const bytes = this.#cluster.nodes.map(({ name }) => diskBytes(this.#cluster, name).log)
      this.#logBytes = bytes.map((now, i) => Math.max(now, this.#logBytes[i] ?? 0))
      await delay(1000)
    }
  }
}

function shuffled<T>(items: readonly T[]): T[] {
  const left = [...items]
  const order: T[] = []
  while (left.length > 0) order.push(...left.splice(Math.floor(Math.random() * left.length), 1))
  return order
}
