/**
 * `npm run bench -- idle`: what partitions cost in which nothing happens: CPU and memory per node, how fast all of them have
 * another leader after the kill of a node, and how fast they are there after a cold start.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Argv } from 'yargs'
import type { Cluster } from '../chaos/harness/cluster.ts'
import { eventually } from '../chaos/harness/deadline.ts'
import type { SandglassClient } from '../src/client/index.ts'
import { cpuSeconds, rssBytes } from './node-usage.ts'
import { type Report, rounded } from './report.ts'
import { withCluster } from './with-cluster.ts'

const TOPIC = 'idle'
const OBSERVED_MS = 30_000
/** Leaderships go home after a creation or a restart, a few each second; only then does every group sleep. */
const SETTLED_MS = 300_000
const CREATE_MS = 120_000
const LEADERS_MS = 120_000
const KIB = 1024

export const idleCommand = {
  command: 'idle',
  describe: 'partitions in which nothing happens: CPU, memory, kill of a node, cold start',
  builder: (argv: Argv) => argv.option('partitions', { type: 'number', describe: 'how many', default: 1000 }).strict(),
  handler: async ({ partitions }: { partitions: number }): Promise<void> => {
    process.exitCode = await withCluster((cluster, report) => idle(cluster, report, partitions))
  },
}

async function idle(cluster: Cluster, report: Report, partitions: number): Promise<void> {
  const client = await cluster.client({ timeoutMs: CREATE_MS })
  const before = rss(cluster)
  const created = performance.now()
  await client.topics.create({ name: TOPIC, partitions, replicationFactor: 3 })
  report.add({ load: `create ${partitions} partitions`, maxMs: rounded(performance.now() - created), books: 'ok' })
  report.add({ load: 'all asleep after', maxMs: await timed(() => asleep(cluster, partitions)), books: 'ok' })
  const grown = sum(rss(cluster)) - sum(before)
  report.add({
    ...{ load: `idle, ${partitions} partitions`, cpuPercent: await cpuPercent(cluster), rssMiB: rss(cluster).map(mib) },
    ...{ note: `${rounded(grown / partitions / KIB)} KiB a partition on all nodes together`, books: 'ok' },
  })
  report.add({ load: 'every leader of a killed node replaced', maxMs: await replaced(cluster), books: 'ok' })
  await asleep(cluster, partitions)
  for (const node of cluster.nodes) await node.kill()
  const coldMs = await timed(async () => {
    for (const node of cluster.nodes) node.start()
    await Promise.all(cluster.nodes.map(({ name }) => knowsLeaders(cluster, name)))
  })
  report.add({ load: 'cold start, every node knows all leaders', maxMs: coldMs, books: 'ok' })
}

/** Per node, over a while. */
async function cpuPercent(cluster: Cluster): Promise<number[]> {
  const from = performance.now()
  const before = cluster.nodes.map(({ pid }) => cpuSeconds(pid))
  await delay(OBSERVED_MS)
  const seconds = (performance.now() - from) / 1000
  return cluster.nodes.map(({ pid }, i) => rounded(((cpuSeconds(pid) - (before[i] ?? 0)) / seconds) * 100))
}

/** Kills a node; how long until both others know another leader of each partition. It is started again afterwards. */
async function replaced(cluster: Cluster): Promise<number> {
  const [killed, ...rest] = cluster.nodes
  if (killed === undefined) return 0
  const clients = await Promise.all(rest.map(({ name }) => clientOf(cluster, name)))
  await killed.kill()
  const ms = await timed(async () => {
    await Promise.all(clients.map((client) => leadersKnown(client, killed.name)))
  })
  killed.start()
  await killed.ready(LEADERS_MS)
  return ms
}

/** Waits until the node, asked itself, knows the leader of every partition. */
async function knowsLeaders(cluster: Cluster, name: string): Promise<void> {
  await cluster.node(name).ready(LEADERS_MS)
  await leadersKnown(await clientOf(cluster, name))
}

async function leadersKnown(client: SandglassClient, without?: string): Promise<void> {
  await eventually('all leaders to be known', LEADERS_MS, async () => {
    const { partitions } = await client.topics.describe(TOPIC)
    return partitions.every(({ leader }) => leader !== undefined && leader !== without)
  })
}

function clientOf(cluster: Cluster, name: string): Promise<SandglassClient> {
  return cluster.client({ addrs: cluster.addrs(name), timeoutMs: LEADERS_MS })
}

/** The catalog's group sleeps as well. */
async function asleep(cluster: Cluster, partitions: number): Promise<void> {
  await eventually('all groups to sleep', SETTLED_MS, async () => {
    const texts = await Promise.all(cluster.nodes.map(({ name }) => cluster.metrics(name)))
    return texts.every((text) => Number(/^sandglass_raft_quiesced(?:\{[^}]*\})? (\S+)$/m.exec(text)?.[1]) > partitions)
  })
}

async function timed(run: () => Promise<void>): Promise<number> {
  const from = performance.now()
  await run()
  return rounded(performance.now() - from)
}

function rss(cluster: Cluster): number[] {
  return cluster.nodes.map(({ pid }) => rssBytes(pid))
}

function mib(bytes: number): number {
  return Math.round(bytes / KIB / KIB)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
