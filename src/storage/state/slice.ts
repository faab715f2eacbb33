/** Gives the event loop back after SLICE_MS of a long synchronous work. */
import type { Env } from '../../base/env.ts'
import { SLICE_MS } from '../../base/limits.ts'

/** Reading the clock for every row would cost more than the row. */
const ROWS_PER_LOOK = 128

export class Slice {
  readonly #env: Env
  #endMs: number
  #rows = 0

  constructor(env: Env) {
    this.#env = env
    this.#endMs = env.monoMs() + SLICE_MS
  }

  /** Call once per row; when it says true, `await rest()` before the next. */
  spent(): boolean {
    return ++this.#rows % ROWS_PER_LOOK === 0 && this.#env.monoMs() >= this.#endMs
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
