/**
 * The turn of a shard (architecture §8): everything that happened in one turn of the event loop becomes one frame per
 * peer and one batch of the log. Messages leave first, the log writes meanwhile, then committed entries are applied for
 * at most one slice over all groups. Ticks follow the monotonic clock; what a stall swallowed is never made up.
 */
import type { Env, Timer } from '../base/env.ts'
import type { Outbox } from './outbox.ts'
import type { Turnable } from './shard.ts'

interface TurnLoopParts {
  readonly env: Env
  readonly tickMs: number
  readonly sliceMs: number
  readonly outbox: Outbox
  /** A promise while the state store cannot be read: nothing is applied before it settles. */
  readonly stateReady: () => Promise<void> | undefined
  /** In how many ticks the next one is wanted; asked after each. {@link TurnLoop.hurry} takes it back. */
  readonly wanted: () => number
  /** `ticks` have passed. */
  readonly onTick: (ticks: number) => void
  readonly fatal: (error: unknown) => void
}

export class TurnLoop {
  readonly #parts: TurnLoopParts
  #dirty = new Set<Turnable>()
  #scheduled = false
  #running = true
  /** Replicas to visit again once the state store can be read; undefined while it can. */
  #stalled: Set<Turnable> | undefined
  #timer: Timer | undefined
  #lastTickMs: number
  /** Ticks from the last one to that for which the timer is set; 0 while one is at work. */
  #armed = 1

  constructor(parts: TurnLoopParts) {
    this.#parts = parts
    this.#lastTickMs = parts.env.monoMs()
    this.#arm(1)
  }

  mark(replica: Turnable): void {
    this.#dirty.add(replica)
    this.#schedule()
  }

  /** The very next tick is wanted, however far away the timer was set. */
  hurry(): void {
    const { env, tickMs } = this.#parts
    const next = Math.floor((env.monoMs() - this.#lastTickMs) / tickMs) + 1
    if (!this.#running || next >= this.#armed) return
    this.#timer?.cancel()
    this.#arm(next)
  }

  stop(): void {
    this.#running = false
    this.#timer?.cancel()
  }

  #schedule(): void {
    if (this.#scheduled || !this.#running) return
    this.#scheduled = true
    this.#parts.env.endOfTurn(() => this.#turn())
  }

  #turn(): void {
    this.#scheduled = false
    if (!this.#running) return
    const replicas = this.#dirty
    this.#dirty = new Set()
    try {
      for (const replica of replicas) replica.collect()
      this.#parts.outbox.flush()
      this.#apply(replicas)
    } catch (error) {
      this.#parts.fatal(error)
    }
  }

  /** When the slice is used up, those that had no turn come first in the next one. */
  #apply(replicas: ReadonlySet<Turnable>): void {
    if (this.#stateIsBusy(replicas)) return
    const { env, sliceMs } = this.#parts
    const endMs = env.monoMs() + sliceMs
    const enough = () => env.monoMs() >= endMs
    const left: Turnable[] = []
    let spent = false
    for (const replica of replicas) {
      if (spent) {
        left.push(replica)
        continue
      }
      replica.apply(enough)
      spent = enough()
    }
    if (left.length === 0) return
    // Those that had a turn may have asked for another already.
    this.#dirty = new Set([...left, ...this.#dirty])
    this.#schedule()
  }

  #stateIsBusy(replicas: ReadonlySet<Turnable>): boolean {
    const ready = this.#parts.stateReady()
    if (ready === undefined) return false
    if (this.#stalled === undefined) {
      this.#stalled = new Set()
      ready.then(() => this.#resume(), this.#parts.fatal)
    }
    for (const replica of replicas) this.#stalled.add(replica)
    return true
  }

  #resume(): void {
    const stalled = this.#stalled ?? []
    this.#stalled = undefined
    for (const replica of stalled) this.mark(replica)
  }

  #arm(ticks: number): void {
    const { env, tickMs } = this.#parts
    const now = env.monoMs()
    let atMs = this.#lastTickMs + ticks * tickMs
    // After a stall the rhythm starts anew: no tick follows another at once, so that what arrived meanwhile is heard first.
    if (atMs <= now) {
      this.#lastTickMs = now
      atMs = now + ticks * tickMs
    }
    this.#armed = ticks
    this.#timer = env.after(atMs - now, () => {
      if (!this.#running) return
      this.#lastTickMs = atMs
      this.#armed = 0
      try {
        this.#parts.onTick(ticks)
        if (this.#running) this.#arm(this.#parts.wanted())
      } catch (error) {
        this.#parts.fatal(error)
      }
    })
  }
}
