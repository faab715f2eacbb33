/**
 * Whether this node's wall clock may be trusted to stamp times, judged by its peers' clocks. A node judges only itself,
 * and only with at least three clocks, its own included, from a majority of the nodes: with fewer nobody can tell who
 * is wrong.
 */
export interface ClockReadings {
  /** Own wall clock, ms. */
  readonly ownMs: number
  /** The peers' wall clocks at the same moment, ms. */
  readonly peersMs: readonly number[]
  /** Nodes in the cluster, this one included. */
  readonly nodes: number
  readonly maxSkewMs: number
}

export interface ClockVerdict {
  readonly verdict: 'ok' | 'skewed' | 'unknown'
  /** Own clock minus the median, ms; 0 when unknown. */
  readonly offsetMs: number
}

const CLOCKS_MIN = 3

export function clockVerdict({ ownMs, peersMs, nodes, maxSkewMs }: ClockReadings): ClockVerdict {
  const clocks = [ownMs, ...peersMs].sort((a, b) => a - b)
  if (clocks.length < CLOCKS_MIN || clocks.length * 2 <= nodes) return { verdict: 'unknown', offsetMs: 0 }
  const offsetMs = ownMs - median(clocks)
  return { verdict: Math.abs(offsetMs) > maxSkewMs ? 'skewed' : 'ok', offsetMs }
}

function median(ascending: readonly number[]): number {
  const half = ascending.length >> 1
  const upper = ascending[half] ?? 0
  return ascending.length % 2 === 1 ? upper : (upper + (ascending[half - 1] ?? upper)) / 2
}
