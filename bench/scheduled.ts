/**
 * `npm run bench -- scheduled`: messages due over the coming week, and what they cost while they wait: how fast they are
 * taken, memory of the nodes meanwhile and afterwards, room on disk, the restart of a killed node, deliveries during that.
 * At the end every message is read back.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Argv } from 'yargs'
import type { Cluster } from '../chaos/harness/cluster.ts'
import type { SandglassClient } from '../src/client/index.ts'
import { diskBytes } from './disk-usage.ts'
import { MemoryWatch } from './memory-watch.ts'
import { NodeUsage } from './node-usage.ts'
import { Probes } from './probes.ts'
import { Progress } from './progress.ts'
import { type Report, rounded } from './report.ts'
import { Audit, load, type Schedule } from './scheduled-messages.ts'
import { withCluster } from './with-cluster.ts'

const PARTITIONS = 12
const BYTES = 100
const HOUR_MS = 3_600_000
const WEEK_MS = 7 * 24 * HOUR_MS
/** After the load, before memory counts as at rest: checkpoints and LevelDB's compaction come to an end. */
const REST_MS = 15_000
const PROBES = 100
const PROBES_AFTER_MS = 500
const READY_MS = 300_000
const MIB = 2 ** 20

interface Scheduled {
  readonly cluster: Cluster
  readonly client: SandglassClient
  readonly report: Report
  readonly memory: MemoryWatch
  readonly schedule: Schedule
  readonly probes: Probes
}

export const scheduledCommand = {
  command: 'scheduled',
  describe: 'messages due over the coming week: load rate, memory, disk, restart after kill -9',
  builder: (argv: Argv) =>
    argv.option('messages', { type: 'number', describe: 'how many', default: 1_000_000 }).strict(),
  handler: async ({ messages }: { messages: number }): Promise<void> => {
    process.exitCode = await withCluster((cluster, report) => scheduled(cluster, report, messages))
  },
}

/** A topic of `count` messages due from an hour from now on, over a week. */
export async function createSchedule(client: SandglassClient, count: number): Promise<Schedule> {
  const topic = 'scheduled'
  await client.topics.create({ name: topic, partitions: PARTITIONS, replicationFactor: 3 })
  // None comes due while this runs: what is delivered meanwhile was sent for that.
  return { topic, partitions: PARTITIONS, count, bytes: BYTES, fromMs: Date.now() + HOUR_MS, spreadMs: WEEK_MS }
}

async function scheduled(cluster: Cluster, report: Report, count: number): Promise<void> {
  const client = await cluster.client({ timeoutMs: 60_000 })
  const memory = new MemoryWatch(cluster)
  const schedule = await createSchedule(client, count)
  const probes = new Probes(client, schedule.topic, 'probes')
  const bench = { cluster, client, report, memory, schedule, probes }
  const tenth = Math.ceil(count / 10)
  await loadPart(bench, 0, tenth)
  await loadPart(bench, tenth, count)
  await rest(bench)
  await restartOne(bench)
  await restartAll(bench)
  await readBack(bench)
  await probes.close()
  memory.stop()
}

async function loadPart(
  { cluster, client, report, memory, schedule }: Scheduled,
  from: number,
  to: number,
): Promise<void> {
  memory.since()
  const usage = await NodeUsage.begin(cluster)
  const started = performance.now()
  let stored = 0
  const progress = new Progress(() => `${from + stored} stored, RSS ${memory.now().rssMiB.join(' / ')} MiB`)
  await load(client, schedule, { from, to }, () => {
    stored++
  })
  progress.end()
  const ratePerS = Math.round((stored / (performance.now() - started)) * 1000)
  report.add({
    ...{ load: `load ${from} to ${to}`, messages: to, bytes: schedule.bytes, ratePerS },
    ...(await usage.end()),
    ...memory.since(),
    books: stored === to - from ? 'ok' : `stored ${stored}`,
  })
}

async function rest({ cluster, report, memory, schedule }: Scheduled): Promise<void> {
  await delay(REST_MS)
  memory.since()
  const { rssMiB, fileMiB } = memory.now()
  const sizes = cluster.nodes.map((node) => diskBytes(cluster, node.name))
  report.add({
    ...{ load: 'at rest', messages: schedule.count, bytes: schedule.bytes, rssMiB, fileMiB },
    stateBytesEach: sizes.map(({ state }) => Math.round(state / schedule.count)),
    logMiB: sizes.map(({ log }) => Math.round(log / MIB)),
    books: 'ok',
  })
}

async function restartOne({ cluster, report, memory, schedule, probes }: Scheduled): Promise<void> {
  const [node] = cluster.nodes
  if (node === undefined) return
  memory.since()
  await probes.send(PROBES, PROBES_AFTER_MS)
  await node.kill()
  const down = performance.now()
  node.start()
  await node.ready(READY_MS)
  const readyMs = rounded(performance.now() - down)
  const { p50Ms, p99Ms, maxMs, books } = await probes.end()
  report.add({ load: 'restart of one node after kill -9', messages: schedule.count, readyMs, books: 'ok' })
  report.add({
    ...{ load: 'lateness of what came due meanwhile', messages: schedule.count, p50Ms, p99Ms, maxMs, books },
    ...{ rssMiB: memory.now().rssMiB, fileMiB: memory.now().fileMiB, ...memory.since() },
  })
}

async function restartAll({ cluster, report, memory, schedule, probes }: Scheduled): Promise<void> {
  await probes.send(PROBES, PROBES_AFTER_MS)
  await Promise.all(cluster.nodes.map((node) => node.kill()))
  const downAt = Date.now()
  const down = performance.now()
  for (const node of cluster.nodes) node.start()
  await Promise.all(cluster.nodes.map((node) => node.ready(READY_MS)))
  const readyMs = rounded(performance.now() - down)
  const { firstAtMs, books } = await probes.end()
  report.add({ load: 'restart of all nodes after kill -9', messages: schedule.count, readyMs, books: 'ok' })
  report.add({
    ...{ load: 'first delivery after that', messages: schedule.count, maxMs: firstAtMs - downAt, books },
    ...{ rssMiB: memory.now().rssMiB, fileMiB: memory.now().fileMiB },
  })
}

async function readBack({ cluster, report, memory, schedule }: Scheduled): Promise<void> {
  memory.since()
  const audit = new Audit(schedule)
  const started = performance.now()
  const progress = new Progress(() => `${audit.read} read back, RSS ${memory.now().rssMiB.join(' / ')} MiB`)
  const books = await audit.run(cluster.addrs())
  progress.end()
  const ratePerS = Math.round((audit.read / (performance.now() - started)) * 1000)
  const { rssMiB, fileMiB } = memory.now()
  const { count, bytes } = schedule
  report.add({ load: 'read back', messages: count, bytes, ratePerS, rssMiB, fileMiB, ...memory.since(), books })
}
