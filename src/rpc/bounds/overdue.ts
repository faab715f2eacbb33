/** Things that must be over within the same time: one timer for all of them, since the first to begin is the first to be late. */
import type { Env, Timer } from '../../base/env.ts'

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

  #fire(): void {
    this.#timer = undefined
    const now = this.#env.monoMs()
    for (const [item, due] of this.#due) {
      if (due > now) {
        this.#timer = this.#env.after(due - now, () => this.#fire())
        return
      }
      this.#due.delete(item)
      this.#onOverdue(item)
    }
  }
}
