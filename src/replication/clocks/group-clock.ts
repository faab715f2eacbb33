/**
 * The wall clock as far as a group's voters bear it out: this node's own, but never further than `maxSkewMs` from the
 * latest time that a majority of the voters' clocks have reached. A leader knows that majority's clocks by their votes
 * and acknowledgements, so one wrong clock, its own included, moves nobody's time by more than that; where fewer are
 * known the own clock counts. The bound is kept against the monotonic clock: a step of the own wall clock meets it at once.
 */
import type { Env } from '../../base/env.ts'
import type { NodeId } from '../../base/ids.ts'
import type { PeerClocks } from './peer-clocks.ts'

interface GroupClockParts {
  readonly env: Env
  readonly clocks: PeerClocks
  readonly maxSkewMs: number
  /** Of the group's voters; this one's may be among them. */
  readonly nodes: () => readonly NodeId[]
}

/** The peers' clocks are looked at this often at most. */
const LOOK_EVERY_MS = 100

export class GroupClock {
  readonly #parts: GroupClockParts
  #lookedMs = Number.NEGATIVE_INFINITY
  /** A majority's wall clock minus the own monotonic one, ms; undefined while too few are known. */
  #aheadMs: number | undefined

  constructor(parts: GroupClockParts) {
    this.#parts = parts
  }

  wallMs(): number {
    const { env, clocks, maxSkewMs, nodes } = this.#parts
    const mono = env.monoMs()
    const own = env.wallMs()
    if (mono - this.#lookedMs >= LOOK_EVERY_MS) {
      this.#lookedMs = mono
      this.#aheadMs = clocks.majorityAheadMs(nodes())
    }
    if (this.#aheadMs === undefined) return own
    const reached = Math.floor(mono + this.#aheadMs)
    return Math.min(Math.max(own, reached - maxSkewMs), reached + maxSkewMs)
  }
}
