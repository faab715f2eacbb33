/**
 * `npm run bench -- firing`: many messages a second come due for half a minute, while others wait for days behind them.
 * Lateness is counted from the due time to the consumer's hands, by the clock that all processes of this machine have.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Argv } from 'yargs'
import type { Cluster } from '../chaos/harness/cluster.ts'
import { type Delivery, type SandglassClient, SandglassError } from '../src/client/index.ts'
import { Timings } from './loads.ts'
import { MemoryWatch } from './memory-watch.ts'
import { earlyDeliveries, NodeUsage } from './node-usage.ts'
import { Progress } from './progress.ts'
import { type Report, rounded } from './report.ts'
import { createSchedule } from './scheduled.ts'
import { Bodies, load, type Schedule } from './scheduled-messages.ts'
import { withCluster } from './with-cluster.ts'

const CONSUMERS = 4
const CREDIT = 8000
/** Between the end of the load, as it is foreseen, and the first due time: checkpoints and compaction come to rest. */
const AHEAD_MS = 10_000
/** The load is foreseen to be this much slower than that of the waiting ones was. */
const SLOWER = 2
/** After the last due time, for what is late. */
const LAST_MS = 60_000

interface Options {
  readonly waiting: number
  readonly rate: number
  readonly seconds: number
}

export const firingCommand = {
  command: 'firing',
  describe: 'lateness of rate x seconds messages that come due, while many others wait (loaded first)',
  builder: (argv: Argv) =>
    argv
      .option('waiting', { type: 'number', describe: 'messages that wait meanwhile', default: 1_000_000 })
      .option('rate', { type: 'number', describe: 'messages that come due in a second', default: 10_000 })
      .option('seconds', { type: 'number', describe: 'for so long', default: 30 })
      .strict(),
  handler: async (options: Options): Promise<void> => {
    process.exitCode = await withCluster((cluster, report) => firing(cluster, report, options))
  },
}

async function firing(cluster: Cluster, report: Report, { waiting, rate, seconds }: Options): Promise<void> {
  const client = await cluster.client({ timeoutMs: 60_000 })
  const memory = new MemoryWatch(cluster)
  const waitingOnes = await createSchedule(client, waiting)
  const started = performance.now()
  await loaded(client, waitingOnes, memory)
  const seconds1 = (performance.now() - started) / 1000
  report.add({
    ...{ load: 'load those that wait', messages: waiting, bytes: waitingOnes.bytes },
    ...{ ratePerS: Math.round(waiting / seconds1), ...memory.since(), books: 'ok' },
  })
  const count = rate * seconds
  const loadMs = (count / Math.max(1, waiting / seconds1)) * SLOWER * 1000
  const schedule = {
    ...waitingOnes,
    count,
    fromMs: Math.ceil(Date.now() + loadMs + AHEAD_MS),
    spreadMs: seconds * 1000,
  }
  await loaded(client, schedule, memory)
  const aheadMs = schedule.fromMs - Date.now()
  memory.since()
  await delay(Math.max(0, aheadMs - AHEAD_MS / 2))
  const catcher = new Catcher(cluster, schedule)
  await catcher.begin()
  const usage = await NodeUsage.begin(cluster)
  const books = await catcher.end()
  const early = await earlyDeliveries(cluster)
  const { count: _, ...figures } = catcher.timings.measured(seconds)
  report.add({
    ...{ load: `${rate} due a second, ${waiting} waiting`, messages: count, bytes: schedule.bytes, ...figures },
    ...(await usage.end()),
    ...memory.since(),
    note: `stored ${rounded(aheadMs / 1000)} s ahead, ${catcher.unanswered} acks unanswered`,
    books:
      [
        ...(aheadMs > 0 ? [] : ['not stored in time']),
        ...(early === 0 ? [] : [`${early} early by the leaders' clocks`]),
        ...(books === 'ok' ? [] : [books]),
      ].join(', ') || 'ok',
  })
  memory.stop()
}

async function loaded(client: SandglassClient, schedule: Schedule, memory: MemoryWatch): Promise<void> {
  let stored = 0
  const progress = new Progress(
    () => `${stored} of ${schedule.count} stored, RSS ${memory.now().rssMiB.join(' / ')} MiB`,
  )
  await load(client, schedule, { from: 0, to: schedule.count }, () => {
    stored++
  })
  progress.end()
}

/** Consumers of one group that take what comes due, each number once. */
class Catcher {
  readonly timings = new Timings()
  unanswered = 0
  readonly #cluster: Cluster
  readonly #schedule: Schedule
  readonly #bodies: Bodies
  readonly #seen: Uint8Array
  readonly #iterators: AsyncIterator<Delivery>[] = []
  #first = 0
  #again = 0
  #strange = 0
  #early = 0
  #acks: Promise<void>[] = []
  #failed: unknown

  constructor(cluster: Cluster, schedule: Schedule) {
    this.#cluster = cluster
    this.#schedule = schedule
    this.#bodies = new Bodies(schedule.bytes)
    this.#seen = new Uint8Array(schedule.count)
  }

  async begin(): Promise<void> {
    const { topic } = this.#schedule
    for (let i = 0; i < CONSUMERS; i++) {
      const client = await this.#cluster.client()
      const consumer = client.consumer({ topic, group: 'firing', name: `bench-${i}`, credit: CREDIT })
      const iterator = consumer[Symbol.asyncIterator]()
      this.#iterators.push(iterator)
      this.#take(iterator).catch((error: unknown) => {
        this.#failed = error
      })
    }
  }

  /** Waits for all, at most a minute longer than they take to come due; 'ok', or what is wrong. */
  async end(): Promise<string> {
    const { fromMs, spreadMs, count } = this.#schedule
    const progress = new Progress(() => `${this.#first} of ${count} delivered`)
    const lastMs = fromMs + spreadMs + LAST_MS
    while (this.#first < count && Date.now() < lastMs && this.#failed === undefined) await delay(100)
    await Promise.all(this.#acks)
    await Promise.all(this.#iterators.map((iterator) => iterator.return?.()))
    progress.end()
    if (this.#failed !== undefined) throw this.#failed
    const lost = count - this.#first
    if (lost + this.#again + this.#strange + this.#early === 0) return 'ok'
    return `lost ${lost}, twice ${this.#again}, changed ${this.#strange}, early ${this.#early}`
  }

  /** Without an answer: it may have been acknowledged or not. If not, it comes again and is counted as twice. */
  #unsettled(error: unknown): void {
    if (error instanceof SandglassError) this.unanswered++
    else this.#failed ??= error
  }

  async #take(iterator: AsyncIterator<Delivery>): Promise<void> {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      const { value: delivery } = next
      const now = Date.now()
      const number = this.#bodies.numberOf(delivery.value)
      if (!(number >= 0 && number < this.#seen.length)) this.#strange++
      else if (this.#seen[number] === 1) this.#again++
      else {
        this.#seen[number] = 1
        this.#first++
      }
      if (now < delivery.dueMs) this.#early++
      this.timings.add(now - delivery.dueMs)
      this.#acks.push(delivery.ack().catch((error: unknown) => this.#unsettled(error)))
    }
  }
}
