/**
 * The main job, end to end: three node processes, 20,000 tasks, a group of four consumers that nack or drop 2 % on
 * purpose, the leader of the busiest partition killed twice and restarted. Writes what the clients saw into three files;
 * a bookkeeper that reads only these judges. Its line is the last on stdout.
 */
import { spawn } from 'node:child_process'
import { createReadStream, createWriteStream, mkdirSync, type WriteStream } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { Cluster } from '../chaos/harness/cluster.ts'
import { within } from '../chaos/harness/deadline.ts'
import { statusOf } from '../chaos/harness/status.ts'
import { type Core, connectCore } from '../src/client/core.ts'
import type { SandglassClient } from '../src/client/index.ts'
import { consume, GRACE_MS, type Worker } from './consume.ts'
import { FILES, type Line } from './records.ts'
import { Tally } from './tally.ts'

const TOPIC = 'tasks'
const PARTITIONS = 12
const WORKERS = 4
const PER_SECOND = 1000
const TICK_MS = 50
const KILL_AT = [0.3, 0.65] as const
/** Of the tasks, what is held back until the last kill. */
const HOLD_AT = 0.85
const DOWN_MS = 3000
const DONE_MS_MAX = 120_000
const LINE_MS = process.stderr.isTTY ? 200 : 2000
const OUT = resolve('demo/out')

interface Task {
  readonly task: number
  readonly value: unknown
  readonly key?: string
  readonly delayMs?: number
}

type Write = (file: keyof typeof FILES, line: Line) => void

async function readTasks(): Promise<Task[]> {
  const tasks: Task[] = []
  const file = createReadStream(resolve('demo/tasks.jsonl'))
  for await (const line of createInterface({ input: file })) tasks.push(JSON.parse(line) as Task)
  return tasks
}

class Demo {
  readonly #cluster: Cluster
  readonly #tasks: readonly Task[]
  readonly #write: Write
  readonly #tally = new Tally()
  readonly #perPartition = new Map<number, number>()
  #cores: readonly Core[] = []
  #note = ''
  #over = false

  constructor(cluster: Cluster, tasks: readonly Task[], write: Write) {
    this.#cluster = cluster
    this.#tasks = tasks
    this.#write = write
  }

  async run(): Promise<void> {
    this.#write('produced', { type: 'plan', tasks: this.#tasks.length })
    const client = await this.#cluster.client({ timeoutMs: 30_000 })
    await client.topics.create({ name: TOPIC, partitions: PARTITIONS, replicationFactor: 3 })
    await this.#tellTerms()
    const live = setInterval(() => this.#show(), LINE_MS)
    const workers = await this.#startWorkers()
    try {
      await this.#produceAll(client)
      await within('every task acknowledged', DONE_MS_MAX, Promise.race(workers.map((worker) => worker.sawAll)))
      await this.#tellTerms()
    } finally {
      clearInterval(live)
      this.#show()
      if (process.stderr.isTTY) process.stderr.write('\n')
      this.#over = true
      for (const worker of workers) worker.stop()
      for (const core of this.#cores) core.transport.close()
    }
  }

  async #tellTerms(): Promise<void> {
    const { partitions } = await statusOf(this.#cluster)
    const sum = partitions.filter(({ topic }) => topic === TOPIC).reduce((total, { term }) => total + term, 0)
    this.#write('produced', { type: 'terms', sum, atMs: Date.now() })
  }

  async #startWorkers(): Promise<Worker[]> {
    const seen = { acked: new Set<number>(), total: this.#tasks.length }
    const addrs = this.#cluster.addrs()
    this.#cores = await Promise.all(Array.from({ length: WORKERS }, () => connectCore({ addrs })))
    return this.#cores.map((core, i) =>
      consume({
        ...{ core, topic: TOPIC, name: `worker-${i + 1}`, seen, tally: this.#tally, write: this.#write },
        stopped: () => this.#over,
      }),
    )
  }

  /** At an even pace, so that the kills fall into running work. */
  async #produceAll(client: SandglassClient): Promise<void> {
    const producer = client.producer()
    const pending: Promise<void>[] = []
    let nemesis = Promise.resolve()
    let planned = 0
    let struck = 0
    const step = (PER_SECOND * TICK_MS) / 1000
    const started = performance.now()
    for (let from = 0; from < this.#tasks.length; from += step) {
      for (const task of this.#tasks.slice(from, from + step)) {
        const produced = this.#produce(producer, task)
        produced.catch(() => 'awaited below')
        pending.push(produced)
      }
      if (from >= (KILL_AT[planned] ?? 1) * this.#tasks.length) {
        planned += 1
        // Not before its last victim is back: two of three that are away are no fault to be survived.
        nemesis = nemesis.then(() =>
          this.#killLeader(client, () => {
            struck += 1
          }),
        )
        nemesis.catch(() => 'awaited below')
      }
      const due = started + (from / step + 1) * TICK_MS
      await new Promise((done) => setTimeout(done, Math.max(0, due - performance.now())))
      // The rest is kept for the last kill to fall into.
      while (from >= HOLD_AT * this.#tasks.length && struck < KILL_AT.length)
        await Promise.race([nemesis, pause(TICK_MS)])
    }
    await Promise.all(pending)
    await nemesis
    await producer.close()
  }

  async #produce(producer: ReturnType<SandglassClient['producer']>, task: Task): Promise<void> {
    const sentMs = Date.now()
    const { key, delayMs } = task
    const stored = await producer.produce(TOPIC, {
      value: JSON.stringify(task.value),
      ...(key === undefined ? {} : { key }),
      ...(delayMs === undefined ? {} : { delayMs }),
    })
    const { offset, partition, dueMs } = stored
    this.#write('produced', {
      type: 'produced',
      task: task.task,
      offset,
      partition,
      dueMs,
      sentMs,
      ackedMs: Date.now(),
    })
    this.#perPartition.set(partition, (this.#perPartition.get(partition) ?? 0) + 1)
    this.#tally.expect(dueMs)
  }

  /** Resolves when the victim is back. */
  async #killLeader(client: SandglassClient, struck: () => void): Promise<void> {
    const [partition = 0] = [...this.#perPartition].sort((a, b) => b[1] - a[1]).map(([id]) => id)
    const name = await this.#cluster.leader(client, TOPIC, partition)
    const { partitions } = await client.topics.describe(TOPIC)
    const led = partitions.filter((p) => p.leader === name).map((p) => p.id)
    const node = this.#cluster.node(name)
    node.signal('SIGKILL')
    struck()
    this.#write('delivered', { type: 'killed', node: name, atMs: Date.now(), partition, led })
    this.#note = `killed ${name}, leader of ${led.length} partitions`
    await node.exited()
    await pause(DOWN_MS)
    node.start()
    await node.ready()
    this.#note = `${name} is back`
  }

  #show(): void {
    const line = this.#tally.line(Date.now(), this.#note)
    process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${line}` : `${line}\n`)
  }
}

async function main(): Promise<number> {
  mkdirSync(OUT, { recursive: true })
  const streams = new Map<string, WriteStream>()
  for (const [name, file] of Object.entries(FILES)) streams.set(name, createWriteStream(resolve(OUT, file)))
  const tasks = await readTasks()
  process.stderr.write(`${tasks.length} tasks; starting three nodes\n`)
  const cluster = await Cluster.create({ flags: { reattach_ms: GRACE_MS } })
  const interrupted = () => void cluster.destroy().finally(() => process.exit(130))
  process.once('SIGINT', interrupted)
  process.once('SIGTERM', interrupted)
  try {
    await cluster.start()
    await new Demo(cluster, tasks, (file, line) => streams.get(file)?.write(`${JSON.stringify(line)}\n`)).run()
  } catch (error) {
    // The books show what is missing; the reason is worth a line.
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  } finally {
    await cluster.destroy()
    await Promise.all([...streams.values()].map((stream) => new Promise((done) => stream.end(done))))
  }
  return judge()
}

/** In a process of its own: it shares nothing with this one but the files. */
function judge(): Promise<number> {
  const books = spawn(process.execPath, [resolve(import.meta.dirname, 'books.js'), OUT], { stdio: 'inherit' })
  return new Promise((done, failed) => {
    books.once('error', failed)
    books.once('exit', (code) => done(code ?? 1))
  })
}

process.exit(await main())
