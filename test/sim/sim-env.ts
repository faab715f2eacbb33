/** Time and chance of one life of one process. It can stand still (SIGSTOP) and it can be over. */
import type { Env, Timer } from '../../src/base/env.ts'
import type { Random } from '../raft/simulation/random.ts'
import type { VirtualTime } from '../virtual-env.ts'

export class SimEnv implements Env {
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #wallOffsetMs: () => number
  #alive = true
  /** What would have happened while it stands still. */
  #backlog: (() => void)[] | undefined

  constructor(time: VirtualTime, random: Random, wallOffsetMs: () => number) {
    this.#time = time
    this.#random = random
    this.#wallOffsetMs = wallOffsetMs
  }

  get alive(): boolean {
    return this.#alive
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
    let cancelled = false
    const timer = this.#time.after(ms, () => this.enter(() => cancelled || run()))
    return {
      cancel: () => {
        cancelled = true
        timer.cancel()
      },
    }
  }

  endOfTurn(run: () => void): void {
    this.#time.endOfTurn(() => this.enter(run))
  }

  /** Something reaches this process: now, when it goes on, or never. */
  enter(run: () => void): void {
    if (!this.#alive) return
    if (this.#backlog === undefined) run()
    else this.#backlog.push(run)
  }

  pause(): void {
    this.#backlog ??= []
  }

  /** Goes on: what waited happens now, turn by turn. */
  resume(): void {
    const backlog = this.#backlog ?? []
    this.#backlog = undefined
    for (const run of backlog) this.#time.after(0, () => this.enter(run))
  }

  die(): void {
    this.#alive = false
    this.#backlog = undefined
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
