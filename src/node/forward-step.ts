/**
 * A wall clock that steps forward (a machine that slept, a corrected clock) would be slewed after for hours. Once a
 * majority of the nodes' clocks, of at least three, have reached a time, leaders on this node follow at once.
 */
import type { Env, Timer } from '../base/env.ts'
import { Slice } from '../base/slice.ts'
import type { Broker } from '../broker/types.ts'
import type { PeerClock } from '../replication/clocks/peer-clocks.ts'

const LOOK_EVERY_MS = 1000
/** Less is left to slewing. */
const STEP_MS_MIN = 1000
/** Of a peer not heard from for longer nothing is known. */
const CLOCK_AGE_MS_MAX = 5000
const CLOCKS_MIN = 3
const GAPS_PER_LOOK = 16

export interface ForwardStepOptions {
  readonly env: Env
  readonly broker: Pick<Broker, 'clockGaps' | 'followForwardStep'>
  readonly clocks: () => Iterable<PeerClock>
  /** Nodes of the cluster, this one included. */
  readonly nodes: () => number
}

export function watchForwardStep({ env, broker, clocks, nodes }: ForwardStepOptions): { close(): void } {
  let timer: Timer
  let closed = false
  const follow = () => {
    const confirmed = confirmedWallMs(env.wallMs(), clocks(), nodes())
    if (confirmed !== undefined) broker.followForwardStep(confirmed)
  }
  const look = async () => {
    if (await someLag(env, broker)) follow()
    if (!closed) timer = env.after(LOOK_EVERY_MS, look)
  }
  timer = env.after(LOOK_EVERY_MS, look)
  return {
    close: () => {
      closed = true
      timer.cancel()
    },
  }
}

/** In slices of the event loop: a node may lead a thousand partitions. */
async function someLag(env: Env, broker: Pick<Broker, 'clockGaps'>): Promise<boolean> {
  const slice = new Slice(env, GAPS_PER_LOOK)
  for (const gapMs of broker.clockGaps()) {
    if (gapMs >= STEP_MS_MIN) return true
    if (slice.spent()) await slice.rest()
  }
  return false
}

/** The latest time that a majority of all nodes' clocks have reached; undefined when too few are known. */
export function confirmedWallMs(ownMs: number, peers: Iterable<PeerClock>, nodes: number): number | undefined {
  const walls = [ownMs]
  for (const { offsetMs, ageMs } of peers) if (ageMs <= CLOCK_AGE_MS_MAX) walls.push(ownMs + offsetMs)
  const majority = Math.floor(nodes / 2) + 1
  if (walls.length < CLOCKS_MIN) return undefined
  return walls.sort((a, b) => b - a)[majority - 1]
}
