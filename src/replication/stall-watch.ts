/**
 * Whether this process stood still (starved, stopped) for so long that the others may have elected another leader meanwhile.
 * It is asked wherever the event loop comes by, so between two answers there is one turn, or one wait for a tick.
 */
import type { Env } from '../base/env.ts'
import type { Timing } from './options.ts'
import { pulseTicks } from './raft-config.ts'

export class StallWatch {
  readonly #env: Env
  readonly #stallMs: number
  readonly #onStall: () => void
  #seenMs: number

  constructor(env: Env, timing: Timing, onStall: () => void) {
    this.#env = env
    // The last heartbeat may have left an interval before the stall began; a node at rest ticks once a pulse.
    const restMs = pulseTicks({ timing }) * timing.tickMs
    this.#stallMs = Math.max(timing.electionMs - timing.heartbeatMs, 2 * restMs)
    this.#onStall = onStall
    this.#seenMs = env.monoMs()
  }

  /** Monotonic ms now. `onStall` comes first. */
  look(): number {
    const now = this.#env.monoMs()
    const passedMs = now - this.#seenMs
    this.#seenMs = now
    if (passedMs >= this.#stallMs) this.#onStall()
    return now
  }
}
