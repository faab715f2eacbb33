/** An Env whose time stands still until a test moves it; turns of the event loop are real. */
import type { Env, Timer } from '../../src/base/env.ts'
import { seededRandom } from './simulated-disk.ts'

export class ManualEnv implements Env {
  #now = 0
  #timers: { readonly at: number; readonly run: () => void }[] = []
  readonly #random: () => number

  constructor(seed = 1) {
    this.#random = seededRandom(seed)
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#now
  }

  monoMs(): number {
    return this.#now
  }

  random(): number {
    return this.#random()
  }

  randomBytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => Math.floor(this.#random() * 256))
  }

  after(ms: number, run: () => void): Timer {
    const timer = { at: this.#now + ms, run }
    this.#timers.push(timer)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((one) => one !== timer)
      },
    }
  }

  endOfTurn(run: () => void): void {
    setImmediate(run)
  }

  /** Moves time on and runs what became due, in order. */
  advance(ms: number): void {
    this.#now += ms
    const due = this.#timers.filter((timer) => timer.at <= this.#now).sort((a, b) => a.at - b.at)
    this.#timers = this.#timers.filter((timer) => timer.at > this.#now)
    for (const timer of due) timer.run()
  }
}

/** Lets everything that is under way on a simulated disk come to rest. */
export async function settle(turns = 40): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
}
