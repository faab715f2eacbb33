/**
 * Work of one kind, so much of it in one turn of the event loop: what is more waits for the next ones, in its order. By count
 * and not by time, and a part of all that waits in any case: a process that waits for a processor gets as much done in a turn.
 */
import type { Env } from './env.ts'
import { Fifo } from './fifo.ts'
import { TURNS_PER_ROUND } from './limits.ts'

export class InTurns<T> {
  readonly #env: Pick<Env, 'endOfTurn'>
  readonly #least: number
  readonly #run: (item: T) => void
  readonly #waiting = new Fifo<T>()
  /** In this turn. */
  #done = 0
  #armed = false

  /** `least`: of so many each has its turn at once. */
  constructor(env: Pick<Env, 'endOfTurn'>, least: number, run: (item: T) => void) {
    this.#env = env
    this.#least = least
    this.#run = run
  }

  /** Now, if nothing waits and this turn has not had enough. */
  add(item: T): void {
    this.#arm()
    if (this.#waiting.length > 0 || this.#done >= this.#least) {
      this.#waiting.push(item)
      return
    }
    this.#done += 1
    this.#run(item)
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    this.#env.endOfTurn(this.#turn)
  }

  readonly #turn = (): void => {
    this.#armed = false
    this.#done = lot(this.#waiting.length, this.#least)
    if (this.#waiting.length > 0) this.#arm()
    for (let left = this.#done; left > 0; left--) {
      const item = this.#waiting.shift()
      if (item === undefined) break
      this.#run(item)
    }
  }
}

/** How many of those that wait have their turn now. */
export function lot(waiting: number, least: number): number {
  return Math.min(waiting, Math.max(least, Math.ceil(waiting / TURNS_PER_ROUND)))
}
