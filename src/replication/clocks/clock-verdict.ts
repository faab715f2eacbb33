/**
 * Whether this node's wall clock may be trusted to stamp times, judged by its peers' clocks. A node judges only itself. A
 * frame that waited for seconds looks like a clock that is seconds behind: so each reading is an interval, and only what
 * holds wherever in them the clocks are is a verdict.
 */
export interface ClockInterval {
  /** The peer's wall clock minus the own one is at least and at most so much, ms; `highMs` may be infinite. */
  readonly lowMs: number
  readonly highMs: number
}

export interface ClockReadings {
  readonly peers: readonly ClockInterval[]
  /** Nodes in the cluster, this one included. */
  readonly nodes: number
  readonly maxSkewMs: number
}

export interface ClockVerdict {
  /** `unknown`: the readings prove nothing. */
  readonly verdict: 'ok' | 'skewed' | 'unknown'
  /** Own clock minus the median of all, ms: what is proven of it, which is the nearer end; 0 unless skewed. */
  readonly offsetMs: number
}

/** With fewer nobody can tell who is wrong. */
const CLOCKS_MIN = 3
const UNKNOWN: ClockVerdict = { verdict: 'unknown', offsetMs: 0 }
const OK: ClockVerdict = { verdict: 'ok', offsetMs: 0 }

/**
 * Skewed: the median of at least three clocks, from a majority of the nodes, is further than `maxSkewMs` from the own one.
 * Ok: a majority of the nodes, this one among them, is not, or the median is not.
 */
export function clockVerdict({ peers, nodes, maxSkewMs }: ClockReadings): ClockVerdict {
  const near = peers.filter(({ lowMs, highMs }) => lowMs >= -maxSkewMs && highMs <= maxSkewMs).length
  if ((near + 1) * 2 > nodes && near > 0) return OK
  const clocks = peers.length + 1
  if (clocks < CLOCKS_MIN || clocks * 2 <= nodes) return UNKNOWN
  // The median of what lies in intervals lies between the medians of their ends. Of an even number each between the middle
  // two is one: two halves that disagree prove nothing, or all would be skewed and nobody left to lead.
  const low = ascending([0, ...peers.map(({ lowMs }) => lowMs)])[(clocks - 1) >> 1] ?? 0
  const high = ascending([0, ...peers.map(({ highMs }) => highMs)])[clocks >> 1] ?? 0
  if (low > maxSkewMs) return { verdict: 'skewed', offsetMs: -low }
  if (high < -maxSkewMs) return { verdict: 'skewed', offsetMs: -high }
  return low >= -maxSkewMs && high <= maxSkewMs ? OK : UNKNOWN
}

function ascending(values: number[]): readonly number[] {
  return values.sort((a, b) => a - b)
}
