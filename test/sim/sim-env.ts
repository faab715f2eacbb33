/** Time and chance of one life of one process. It can stand still (SIGSTOP) and it can be over. */
import type { Env, Timer } from '../../src/base/env.ts'
import type { Random } from '../raft/simulation/random.ts'
import { Standstill } from '../standstill.ts'
import type { VirtualTime } from '../virtual-env.ts'

export class SimEnv implements Env {
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #wallOffsetMs: () => number
  readonly #standstill: Standstill

  constructor(time: VirtualTime, random: Random, wallOffsetMs: () => number) {
    this.#time = time
    this.#standstill = new Standstill(time)
    this.#random = random
    this.#wallOffsetMs = wallOffsetMs
  }

  get alive(): boolean {
    return this.#standstill.alive
  }

  wallMs(): number {
    return Math.floor(this.#time.startMs + this.#time.nowMs + this.#wallOffsetMs())
  }

  monoMs(): number {
    return this.#time.nowMs
  }

  random(): number {
    return this.#random.next()
  }

  randomBytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#random.below(256))
  }

  after(ms: number, run: () => void): Timer {
    return this.#standstill.after(ms, run)
  }

  endOfTurn(run: () => void): void {
    this.#standstill.endOfTurn(run)
  }

  /** Something reaches this process: now, when it goes on, or never. */
  enter(run: () => void): void {
    this.#standstill.enter('arrival', run)
  }

  pause(): void {
    this.#standstill.begin()
  }

  resume(): void {
    this.#standstill.end()
  }

  die(): void {
    this.#standstill.die()
  }
}

/** The same process as its state database sees it: what it does at the end of a turn takes a while. */
export function slowed(env: SimEnv, delayMs: () => number): Env {
  return {
    wallMs: () => env.wallMs(),
    monoMs: () => env.monoMs(),
    random: () => env.random(),
    randomBytes: (count) => env.randomBytes(count),
    after: (ms, run) => env.after(ms, run),
    endOfTurn: (run) => void env.after(delayMs(), run),
  }
}
