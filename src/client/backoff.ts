// Waiting times between tries: doubled from a small one up to a bound, with chance so that clients do not return together.
import type { Env } from '../base/env.ts'

const FIRST_MS = 20
const LAST_MS = 500

export class Backoff {
  readonly #env: Env
  #nextMs = FIRST_MS

  constructor(env: Env) {
    this.#env = env
  }

  /** Ms to wait before the next try: between half and all of a bound that doubles with each call. */
  next(): number {
    const bound = this.#nextMs
    this.#nextMs = Math.min(bound * 2, LAST_MS)
    return bound * (0.5 + this.#env.random() / 2)
  }

  /** Whether nothing failed since the last reset. */
  get fresh(): boolean {
    return this.#nextMs === FIRST_MS
  }

  /** Something worked: begin small again. */
  reset(): void {
    this.#nextMs = FIRST_MS
  }
}
