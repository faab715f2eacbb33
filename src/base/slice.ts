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

/** Processes in which a slice was begun in this turn of the event loop. */
const begun = new WeakSet<Env>()

export class Slice {
  readonly #env: Env
  readonly #rowsPerLook: number
  #endMs: number
  #rows = 0

  /** `rowsPerLook`: how often {@link spent} reads the clock; 1 where a row is work of its own. */
  constructor(env: Env, rowsPerLook = ROWS_PER_LOOK) {
    this.#env = env
    this.#rowsPerLook = rowsPerLook
    this.#endMs = env.monoMs() + SLICE_MS
  }

  /** Call once per row; when it says true, `await rest()` before the next. */
  spent(): boolean {
    return ++this.#rows % this.#rowsPerLook === 0 && this.#env.monoMs() >= this.#endMs
  }

  rest(): Promise<void> {
    return new Promise((resolve) => {
      this.#env.endOfTurn(() => {
        this.#endMs = this.#env.monoMs() + this.#share()
        resolve()
      })
    })
  }

  #share(): number {
    const env = this.#env
    if (begun.has(env)) return SHARE_MS
    begun.add(env)
    // Asked for before any work of this turn rests: so it runs before they go on.
    env.endOfTurn(() => begun.delete(env))
    return SLICE_MS
  }
}
