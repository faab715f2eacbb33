/** Things that must be over within the same time: one timer for all of them, since the first to begin is the first to be late. */
import type { Env, Timer } from '../../base/env.ts'
import { SLICE_MS } from '../../base/limits.ts'

export class Overdue<T> {
  readonly #env: Env
  readonly #ms: number
  readonly #onOverdue: (item: T) => void
  /** By when, monotonic ms; in that order. */
  readonly #due = new Map<T, number>()
  #timer: Timer | undefined

  constructor(env: Env, ms: number, onOverdue: (item: T) => void) {
    this.#env = env
    this.#ms = ms
    this.#onOverdue = onOverdue
  }

  /** From now on, also if it was there before. */
  add(item: T): void {
    this.#due.delete(item)
    this.#due.set(item, this.#env.monoMs() + this.#ms)
    this.#timer ??= this.#env.after(this.#ms, () => this.#fire())
  }

  delete(item: T): void {
    this.#due.delete(item)
  }

  clear(): void {
    this.#timer?.cancel()
    this.#due.clear()
  }

  /** Many may be late at once: those for whom there is no time go with the next turns. */
  #fire(): void {
    this.#timer = undefined
    const began = this.#env.monoMs()
    for (const [item, due] of this.#due) {
      const now = this.#env.monoMs()
      if (due > now || now - began >= SLICE_MS) {
        this.#timer = this.#env.after(Math.max(0, due - now), () => this.#fire())
        return
      }
      this.#due.delete(item)
      this.#onOverdue(item)
    }
  }
}
