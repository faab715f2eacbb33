/** What the nodes used during a load: CPU and memory from /proc, syncs and checkpoints from their own metrics. */
import { readFileSync } from 'node:fs'
import type { Cluster } from '../chaos/harness/cluster.ts'
import type { Row } from './report.ts'
import { rounded } from './report.ts'

/** Linux counts process time in these; sysconf(_SC_CLK_TCK) is 100 on every current kernel. */
const TICKS_PER_S = 100
const MIB = 2 ** 20

interface Sample {
  readonly atMs: number
  readonly cpuS: readonly number[]
  /** Cumulative bucket counts over all nodes, by upper bound in s. */
  readonly syncs: ReadonlyMap<number, number>
  readonly checkpoints: number
}

export class NodeUsage {
  readonly #cluster: Cluster
  readonly #before: Sample

  private constructor(cluster: Cluster, before: Sample) {
    this.#cluster = cluster
    this.#before = before
  }

  static async begin(cluster: Cluster): Promise<NodeUsage> {
    return new NodeUsage(cluster, await sample(cluster))
  }

  /** Since `begin`. */
  async end(): Promise<Pick<Row, 'cpuPercent' | 'rssMiB' | 'fsyncP99Ms' | 'checkpoints'>> {
    const after = await sample(this.#cluster)
    const seconds = (after.atMs - this.#before.atMs) / 1000
    return {
      cpuPercent: after.cpuS.map((cpu, i) => Math.round(((cpu - (this.#before.cpuS[i] ?? 0)) / seconds) * 100)),
      rssMiB: this.#cluster.nodes.map((node) => Math.round(rssBytes(node.pid) / MIB)),
      fsyncP99Ms: rounded(percentile(this.#before.syncs, after.syncs, 0.99) * 1000),
      checkpoints: after.checkpoints - this.#before.checkpoints,
    }
  }
}

async function sample(cluster: Cluster): Promise<Sample> {
  const texts = await Promise.all(cluster.nodes.map((node) => cluster.metrics(node.name)))
  const syncs = new Map<number, number>()
  let checkpoints = 0
  for (const text of texts) {
    for (const [, le = '', count = ''] of text.matchAll(
      /^sandglass_wal_fsync_seconds_bucket\{[^}]*?le="([^"]+)"[^}]*\} (\S+)$/gm,
    )) {
      const bound = le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le)
      syncs.set(bound, (syncs.get(bound) ?? 0) + Number(count))
    }
    checkpoints += Number(/^sandglass_checkpoint_seconds_count(?:\{[^}]*\})? (\S+)$/m.exec(text)?.[1] ?? 0)
  }
  return { atMs: performance.now(), cpuS: cluster.nodes.map((node) => cpuSeconds(node.pid)), syncs, checkpoints }
}

function percentile(before: ReadonlyMap<number, number>, after: ReadonlyMap<number, number>, share: number): number {
  const counts = [...after].map(([bound, count]): [number, number] => [bound, count - (before.get(bound) ?? 0)])
  counts.sort((a, b) => a[0] - b[0])
  const total = counts.at(-1)?.[1] ?? 0
  return counts.find(([, count]) => count >= total * share)?.[0] ?? 0
}

/** Of the process so far, in user and kernel mode. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is the command in parentheses and may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S
}

/** Resident memory now. */
export function rssBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kib ?? 0) * 1024
}

/** Deliveries before their due time by the leaders' own clocks, all nodes together. */
export async function earlyDeliveries(cluster: Cluster): Promise<number> {
  const texts = await Promise.all(cluster.nodes.map((node) => cluster.metrics(node.name)))
  return texts.reduce((sum, text) => sum + total(text, 'sandglass_timer_early_total'), 0)
}

function total(text: string, metric: string): number {
  let sum = 0
  for (const [, value] of text.matchAll(new RegExp(`^${metric}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))) sum += Number(value)
  return sum
}
