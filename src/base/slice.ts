/** Gives the event loop back after SLICE_MS of a long synchronous work. */
import type { Env } from './env.ts'
import { SLICE_MS } from './limits.ts'

/** Reading the clock for every row would cost more than the row. */
const ROWS_PER_LOOK = 128

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
        this.#endMs = this.#env.monoMs() + SLICE_MS
        resolve()
      })
    })
  }
}
