/** Memory of the nodes over time, as the kernel counts it: what they hold themselves and what they have mapped from files. */
import { readFileSync } from 'node:fs'
import type { Cluster } from '../chaos/harness/cluster.ts'

const EVERY_MS = 250
const KIB_PER_MIB = 1024

/** In MiB, one number for each node. */
export interface Memory {
  readonly rssMiB: readonly number[]
  /** Part of it that is pages of files: the program itself, and tables of the store that LevelDB maps. */
  readonly fileMiB: readonly number[]
}

export class MemoryWatch {
  readonly #cluster: Cluster
  readonly #timer: NodeJS.Timeout
  #peaks: number[] = []
  #sums: number[] = []
  #samples: number[] = []

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#timer = setInterval(() => this.#look(), EVERY_MS)
    this.#timer.unref()
    this.#look()
  }

  /** At this moment; 0 for a node that does not run. */
  now(): Memory {
    const sizes = this.#cluster.nodes.map((node) => (node.running ? sizeOf(node.pid) : { rss: 0, file: 0 }))
    return { rssMiB: sizes.map(({ rss }) => rss), fileMiB: sizes.map(({ file }) => file) }
  }

  /** Highest and mean resident memory of each node while it ran, since the last call, MiB. */
  since(): { peakMiB: readonly number[]; meanMiB: readonly number[] } {
    this.#look()
    const peakMiB = this.#peaks
    const meanMiB = this.#sums.map((sum, i) => Math.round(sum / (this.#samples[i] || 1)))
    this.#peaks = []
    this.#sums = []
    this.#samples = []
    return { peakMiB, meanMiB }
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const { rssMiB } = this.now()
    this.#samples = rssMiB.map((rss, i) => (this.#samples[i] ?? 0) + (rss > 0 ? 1 : 0))
    this.#peaks = rssMiB.map((rss, i) => Math.max(rss, this.#peaks[i] ?? 0))
    this.#sums = rssMiB.map((rss, i) => rss + (this.#sums[i] ?? 0))
  }
}

function sizeOf(pid: number): { rss: number; file: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mib = (field: string) =>
    Math.round(Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) / KIB_PER_MIB)
  return { rss: mib('VmRSS'), file: mib('RssFile') }
}
