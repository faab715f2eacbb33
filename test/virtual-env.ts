/**
 * Virtual time for tests: clocks, timers, ends of turns and chance of one or many processes, all under one hand. Nothing
 * happens unless `run` or `until` is awaited; the same seed and the same calls give the same run. Promises settle between
 * any two steps, so code under test may await what it likes as long as no real I/O is behind it.
 */
import type { Env, Timer } from '../src/base/env.ts'
import { Standstill } from './standstill.ts'

interface Scheduled {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
  cancelled: boolean
}

const IDLE_STEPS_MAX = 1000
const START_MS = Date.UTC(2030, 0, 1)

export class VirtualTime {
  #nowMs = 0
  #order = 0
  /** Ascending by (atMs, order). */
  readonly #timers: Scheduled[] = []
  #turns: (() => void)[] = []
  readonly #random: () => number
  readonly #later: (run: () => void) => void
  readonly startMs: number

  /**
   * The wall clocks begin at `startMs`. `later` runs the next step once every promise that can settle did: setImmediate
   * gives what works outside virtual time a turn too, afterPromises is many times as fast where nothing does.
   */
  constructor(seed = 1, startMs = START_MS, later: (run: () => void) => void = setImmediate) {
    this.#random = seeded(seed)
    this.startMs = startMs
    this.#later = later
  }

  get nowMs(): number {
    return this.#nowMs
  }

  random(): number {
    return this.#random()
  }

  /** One process: its wall clock may be off, its own chance comes from the seed. */
  env(): VirtualEnv {
    return new VirtualEnv(this, seeded(Math.floor(this.#random() * 2 ** 32)))
  }

  after(ms: number, run: () => void): Timer {
    const timer: Scheduled = { atMs: this.#nowMs + Math.max(0, ms), order: this.#order++, run, cancelled: false }
    this.#timers.splice(this.#place(timer.atMs), 0, timer)
    return {
      cancel: () => {
        timer.cancelled = true
      },
    }
  }

  endOfTurn(run: () => void): void {
    this.#turns.push(run)
  }

  /** Lets `ms` pass. */
  run(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    return new Promise((resolve, reject) => {
      const next = () => {
        try {
          if (this.#step(endMs)) return this.#later(next)
          this.#nowMs = endMs
          resolve()
        } catch (error) {
          reject(error)
        }
      }
      this.#later(next)
    })
  }

  /** Lets time pass until `condition` holds; rejects after `maxMs`. */
  async until(condition: () => boolean, maxMs = 60_000, what = 'the condition'): Promise<void> {
    const endMs = this.#nowMs + maxMs
    // A simulated disk works between steps, unseen: nothing to do is only believed after a while.
    for (let idle = 0; idle < IDLE_STEPS_MAX; idle++) {
      await this.#settled()
      if (condition()) return
      await this.#settled()
      if (this.#step(endMs)) idle = 0
    }
    throw new Error(`${what} did not come to hold within ${maxMs} virtual ms`)
  }

  /** Lets time pass until `promise` settles. */
  async during<T>(promise: Promise<T>, maxMs = 60_000): Promise<T> {
    let settled = false
    const mark = () => {
      settled = true
    }
    promise.then(mark, mark)
    await this.until(() => settled, maxMs, 'the promise')
    return promise
  }

  /** One turn or one timer; false when nothing is left before `endMs`. */
  #step(endMs: number): boolean {
    if (this.#turns.length > 0) {
      const turns = this.#turns
      this.#turns = []
      for (const run of turns) run()
      return true
    }
    while (this.#timers[0]?.cancelled === true) this.#timers.shift()
    const timer = this.#timers[0]
    if (timer === undefined || timer.atMs > endMs) return false
    this.#timers.shift()
    this.#nowMs = timer.atMs
    timer.run()
    return true
  }

  #settled(): Promise<void> {
    return new Promise((resolve) => this.#later(resolve))
  }

  #place(atMs: number): number {
    let low = 0
    let high = this.#timers.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#timers[middle]?.atMs ?? 0) <= atMs) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Runs once no promise is left that could settle. */
export function afterPromises(run: () => void): void {
  // Ticks asked for by ticks come before promises, those asked for by promises after all of them.
  void Promise.resolve().then(() => process.nextTick(run))
}

export class VirtualEnv implements Env {
  readonly #time: VirtualTime
  readonly #random: () => number
  readonly #standstill: Standstill
  /** How far this process's wall clock is off; may change at any time. */
  wallOffsetMs = 0

  constructor(time: VirtualTime, random: () => number) {
    this.#time = time
    this.#random = random
    this.#standstill = new Standstill(time)
  }

  wallMs(): number {
    return this.#time.startMs + this.#time.nowMs + this.wallOffsetMs
  }

  monoMs(): number {
    return this.#time.nowMs
  }

  random(): number {
    return this.#random()
  }

  randomBytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => Math.floor(this.#random() * 256))
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

  /** SIGSTOP. */
  pause(): void {
    this.#standstill.begin()
  }

  /** `socketsFirst`: it stood where an event loop waits for them, so its timers come behind what they hold. */
  resume(socketsFirst = false): void {
    this.#standstill.end(socketsFirst)
  }

  /** The process is gone: nothing it scheduled happens any more. */
  crash(): void {
    this.#standstill.die()
  }
}

/** A small generator of numbers in [0, 1) from a seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
