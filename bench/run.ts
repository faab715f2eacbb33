/**
 * `npm run bench`: three node processes on this machine, every load once, books checked. JSON lines on stdout as they
 * come, the table at the end. A word chooses something else: single loads by name, or one of the long ones (--help).
 */
import yargs, { type Argv } from 'yargs'
import { hideBin } from 'yargs/helpers'
import type { Cluster } from '../chaos/harness/cluster.ts'
import type { SandglassClient } from '../src/client/index.ts'
import { failover } from './failover.ts'
import { firingCommand } from './firing.ts'
import { idleCommand } from './idle.ts'
import { drain, fill, latency, produceLoad } from './loads.ts'
import { NodeUsage } from './node-usage.ts'
import { type Report, rounded } from './report.ts'
import { scheduledCommand } from './scheduled.ts'
import { soakCommand } from './soak.ts'
import { turnsCommand } from './turns/command.ts'
import { withCluster } from './with-cluster.ts'

const BYTES = 256
const CHECKPOINT_BYTES = 4096
const PARTITIONS = 12
const CALLERS = [1, 64, 1024] as const
const CONSUMERS = 4
const CREDIT = 4000
const KILLS = 5
const RESTART_MESSAGES = 1_000_000

interface Bench {
  readonly cluster: Cluster
  readonly client: SandglassClient
  readonly report: Report
  readonly seconds: number
}

async function topic({ client }: Bench, name: string, partitions: number): Promise<string> {
  await client.topics.create({ name, partitions, replicationFactor: 3 })
  return name
}

async function produceAndDrain(bench: Bench): Promise<void> {
  const name = await topic(bench, 'produce', PARTITIONS)
  let produced = 0
  for (const callers of CALLERS) {
    const usage = await NodeUsage.begin(bench.cluster)
    const load = { topic: name, callers, bytes: BYTES, seconds: bench.seconds }
    const { count, ...figures } = await produceLoad(bench.client, load)
    produced += count
    // Settled by the drain below, which must find every one of them once.
    bench.report.add({
      load: 'produce',
      concurrency: callers,
      bytes: BYTES,
      ...figures,
      ...(await usage.end()),
      books: 'ok',
    })
  }
  const clients = await Promise.all(Array.from({ length: CONSUMERS }, () => bench.cluster.client()))
  const usage = await NodeUsage.begin(bench.cluster)
  const options = { topic: name, group: 'drain', expected: produced, credit: CREDIT }
  const { count, distinct, ...figures } = await drain(clients, options)
  const books =
    distinct === produced && count === produced ? 'ok' : `produced ${produced}, acked ${count}, distinct ${distinct}`
  bench.report.add({
    load: 'consume+ack',
    concurrency: CONSUMERS,
    bytes: BYTES,
    ...figures,
    ...(await usage.end()),
    books,
  })
}

/** Large messages at a moderate rate: checkpoints run all the time while the log syncs beside them. */
async function checkpointLoad(bench: Bench): Promise<void> {
  const name = await topic(bench, 'checkpoints', PARTITIONS)
  const usage = await NodeUsage.begin(bench.cluster)
  const load = { topic: name, callers: 64, bytes: CHECKPOINT_BYTES, seconds: 2 * bench.seconds }
  const { count, ...figures } = await produceLoad(bench.client, load)
  const used = await usage.end()
  const { distinct } = await drain([bench.client], { topic: name, group: 'books', expected: count, credit: CREDIT })
  const books = distinct === count ? 'ok' : `produced ${count}, found ${distinct}`
  bench.report.add({ load: 'checkpoints', concurrency: 64, bytes: CHECKPOINT_BYTES, ...figures, ...used, books })
}

async function latencyLoad(bench: Bench): Promise<void> {
  const name = await topic(bench, 'latency', PARTITIONS)
  const perSecond = 500
  const usage = await NodeUsage.begin(bench.cluster)
  const { count, ...figures } = await latency(bench.client, {
    topic: name,
    perSecond,
    seconds: bench.seconds,
    bytes: BYTES,
  })
  const books = count === perSecond * bench.seconds ? 'ok' : `delivered ${count}`
  bench.report.add({ load: 'produce-to-delivery', bytes: BYTES, ...figures, ...(await usage.end()), books })
}

async function failoverLoad(bench: Bench): Promise<void> {
  const name = await topic(bench, 'failover', 1)
  const { gapsMs, medianMs, acked } = await failover(bench.cluster, bench.client, name, KILLS)
  const { distinct } = await drain([bench.client], { topic: name, group: 'books', expected: acked, credit: CREDIT })
  bench.report.add({
    load: 'without service after SIGKILL of leader',
    p50Ms: medianMs,
    maxMs: Math.max(...gapsMs),
    note: `gaps ${gapsMs.join(', ')} ms`,
    books: distinct === acked ? 'ok' : `acked ${acked}, found ${distinct}`,
  })
}

async function restartLoad(bench: Bench): Promise<void> {
  const name = await topic(bench, 'million', PARTITIONS)
  const usage = await NodeUsage.begin(bench.cluster)
  const started = performance.now()
  await fill(bench.client, name, RESTART_MESSAGES, BYTES)
  const ratePerS = Math.round((RESTART_MESSAGES / (performance.now() - started)) * 1000)
  bench.report.add({
    load: 'fill a million',
    concurrency: 8192,
    bytes: BYTES,
    ratePerS,
    ...(await usage.end()),
    books: 'ok',
  })
  const [node] = bench.cluster.nodes
  if (node === undefined) return
  await node.kill()
  const down = performance.now()
  node.start()
  await node.ready(120_000)
  const readyMs = rounded(performance.now() - down)
  const clients = await Promise.all(Array.from({ length: CONSUMERS }, () => bench.cluster.client()))
  const options = { topic: name, group: 'books', expected: RESTART_MESSAGES, credit: CREDIT }
  const { count, distinct, ratePerS: drainRate } = await drain(clients, options)
  const books = distinct === RESTART_MESSAGES && count === distinct ? 'ok' : `acked ${count}, distinct ${distinct}`
  bench.report.add({ load: 'restart after kill -9 with a million', maxMs: readyMs, ratePerS: drainRate, books })
}

const LOADS = {
  produce: produceAndDrain,
  checkpoints: checkpointLoad,
  latency: latencyLoad,
  failover: failoverLoad,
  restart: restartLoad,
} as const
type LoadName = keyof typeof LOADS

const NAMES = Object.keys(LOADS) as LoadName[]

const standardCommand = {
  command: '$0 [loads..]',
  describe: `the standard loads, or some of them: ${NAMES.join(', ')}`,
  builder: (argv: Argv) =>
    argv
      .positional('loads', { type: 'string', array: true, default: [], describe: 'which; default: all' })
      .option('only', { type: 'string', describe: 'the same, separated by commas' })
      .option('seconds', { type: 'number', describe: 'length of each timed load', default: 8 })
      .strict(),
  handler: async (options: { loads: string[]; only?: string | undefined; seconds: number }): Promise<void> => {
    const { seconds } = options
    const named = [...options.loads, ...(options.only?.split(',') ?? [])]
    const unknown = named.filter((name) => !(name in LOADS))
    if (unknown.length > 0) throw new Error(`no such load: ${unknown.join(', ')}`)
    const chosen = NAMES.filter((name) => named.length === 0 || named.includes(name))
    process.exitCode = await withCluster(async (cluster, report) => {
      const bench = { cluster, client: await cluster.client({ timeoutMs: 30_000 }), report, seconds }
      for (const name of chosen) {
        process.stderr.write(`${name} ...\n`)
        await LOADS[name](bench)
      }
    })
  },
}

await yargs(hideBin(process.argv))
  .scriptName('npm run bench --')
  .command(standardCommand)
  .command(scheduledCommand)
  .command(firingCommand)
  .command(soakCommand)
  .command(idleCommand)
  .command(turnsCommand)
  .strict()
  .fail((message, error) => {
    throw error ?? new Error(message)
  })
  .parseAsync()
process.exit()
