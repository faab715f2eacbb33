/**
 * Gives the event loop back after SLICE_MS of a long synchronous work. Works that go on in the same turn share the slice:
 * two checkpoints and a scrape beside each other must not make a turn three times as long.
 */
import type { Env } from './env.ts'
import { SLICE_MS } from './limits.ts'

/** Reading the clock for every row would cost more than the row. */
const ROWS_PER_LOOK = 128
/** What a work has of a turn in which another one had the slice: nobody starves. */
const SHARE_MS = 1

/** When the slice of this turn of the event loop ends, of processes in which one was begun. */
const begun = new WeakMap<Env, number>()

export class Slice {
  readonly #env: Env
  readonly #rowsPerLook: number
  #endMs: number
  #rows = 0

  /** `rowsPerLook`: how often {@link spent} reads the clock; 1 where a row is work of its own. */
  constructor(env: Env, rowsPerLook = ROWS_PER_LOOK) {
    this.#env = env
    this.#rowsPerLook = rowsPerLook
    // A work that begins where one has just ended, in the same turn, has what that has left.
    this.#endMs = begun.get(env) ?? this.#begin()
  }

  /** Call once per row, before it; when it says true, `await rest()` first. */
  spent(): boolean {
    return this.#rows++ % this.#rowsPerLook === 0 && this.#env.monoMs() >= this.#endMs
  }

  rest(): Promise<void> {
    return new Promise((resolve) => {
      this.#env.endOfTurn(() => {
        this.#endMs = begun.has(this.#env) ? this.#env.monoMs() + SHARE_MS : this.#begin()
        resolve()
      })
    })
  }

  #begin(): number {
    const env = this.#env
    const endMs = env.monoMs() + SLICE_MS
    begun.set(env, endMs)
    // Asked for before any work of this turn rests: so it runs before they go on.
    env.endOfTurn(() => begun.delete(env))
    return endMs
  }
}
