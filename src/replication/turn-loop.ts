/**
 * The turn of a shard (architecture §8): what happened in one turn of the event loop becomes one frame per peer and one
 * batch of the log, of so many replicas as a turn may visit; the others come next. Messages leave first, the log writes
 * meanwhile, then committed entries are applied for what is left of one slice over all groups. Ticks follow the monotonic
 * clock: those that were missed are counted, and the one that is due comes when what arrived meanwhile was taken.
 */
import type { Env, Timer } from '../base/env.ts'
import { lot } from '../base/in-turns.ts'
import { TICKS_PER_TURN, VISITS_PER_TURN } from '../base/limits.ts'
import type { Outbox } from './outbox.ts'
import type { Turnable } from './shard.ts'
import type { StallWatch } from './stall-watch.ts'

interface TurnLoopParts {
  readonly env: Env
  readonly tickMs: number
  readonly sliceMs: number
  readonly outbox: Outbox
  /** A promise while the state store cannot be read: nothing is applied before it settles. */
  readonly stateReady: () => Promise<void> | undefined
  /** In how many ticks the next one is wanted; asked after each. {@link TurnLoop.hurry} takes it back. */
  readonly wanted: () => number
  /** Before anything else of a turn. */
  readonly onTurn: () => void
  readonly watch: StallWatch
  /** So many have passed that this process did not see; what came meanwhile is taken before `onTick`. */
  readonly onMissed: (ticks: number) => void
  /** `ticks` have passed. */
  readonly onTick: (ticks: number) => void
  readonly fatal: (error: unknown) => void
}

export class TurnLoop {
  readonly #parts: TurnLoopParts
  /** To be ticked. */
  readonly #due = new Set<Turnable>()
  /** To be visited, those woken first before the others. */
  readonly #dirty = new Set<Turnable>()
  /** Visited, and not asked to apply since. */
  readonly #behind = new Set<Turnable>()
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

  /** Each is ticked once, the first of them now. Who still waits for the last time has missed that one. */
  tick(replicas: Iterable<Turnable>): void {
    for (const replica of replicas) {
      if (this.#due.has(replica)) replica.missTicks(1)
      else this.#due.add(replica)
    }
    this.#tickSome()
    if (this.#due.size > 0) this.#schedule()
  }

  /** The very next tick is wanted, however far away the timer was set. */
  hurry(): void {
    const { env, tickMs } = this.#parts
    const next = Math.floor((env.monoMs() - this.#lastTickMs) / tickMs) + 1
    if (!this.#running || next >= this.#armed) return
    this.#timer?.cancel()
    this.#arm(next)
  }

  /**
   * Something came, and is taken next. An event loop that was starved has it before its timer: what was missed until now is
   * counted first, or the silence from before would be added to what is heard now.
   */
  arrived(): void {
    const { env, tickMs } = this.#parts
    const atMs = this.#lastTickMs + this.#armed * tickMs
    if (!this.#running || this.#armed === 0 || env.monoMs() < atMs + tickMs) return
    this.#timer?.cancel()
    this.#fire(this.#armed, atMs)
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
    try {
      this.#parts.watch.look()
      this.#parts.onTurn()
      this.#tickSome()
      this.#visit()
    } catch (error) {
      this.#parts.fatal(error)
    }
    if (this.#due.size > 0 || this.#dirty.size > 0 || this.#behind.size > 0) this.#schedule()
  }

  #visit(): void {
    const { env, sliceMs, outbox } = this.#parts
    const endMs = env.monoMs() + sliceMs
    for (const replica of take(this.#dirty, lot(this.#dirty.size, VISITS_PER_TURN))) {
      replica.collect()
      this.#behind.add(replica)
    }
    outbox.flush()
    // Whatever the visits took: apply gets on in every turn.
    this.#apply(Math.max(endMs, env.monoMs() + sliceMs / 2))
  }

  #tickSome(): void {
    for (const replica of take(this.#due, lot(this.#due.size, TICKS_PER_TURN))) replica.tick()
  }

  /** When the slice is used up, those that had no turn come first in the next one. */
  #apply(endMs: number): void {
    const { watch } = this.#parts
    if (this.#behind.size === 0 || this.#stateIsBusy()) return
    const enough = () => watch.look() >= endMs
    for (const replica of this.#behind) {
      this.#behind.delete(replica)
      // It asks for another visit if it has not finished.
      replica.apply(enough)
      if (enough()) return
    }
  }

  #stateIsBusy(): boolean {
    const ready = this.#parts.stateReady()
    if (ready === undefined) return false
    if (this.#stalled === undefined) {
      this.#stalled = new Set()
      ready.then(() => this.#resume(), this.#parts.fatal)
    }
    for (const replica of this.#behind) this.#stalled.add(replica)
    this.#behind.clear()
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
    // No tick follows another at once: what came meanwhile is taken first.
    if (this.#lastTickMs + ticks * tickMs <= now) this.#miss(Math.floor((now - this.#lastTickMs) / tickMs))
    const atMs = this.#lastTickMs + ticks * tickMs
    this.#armed = ticks
    this.#timer = env.after(atMs - now, () => this.#fire(ticks, atMs))
  }

  /** The timer has come, perhaps late: then the sockets have their turn before the tick has. */
  #fire(ticks: number, atMs: number): void {
    if (!this.#running) return
    const { env, tickMs, watch, fatal } = this.#parts
    this.#lastTickMs = atMs
    this.#armed = 0
    try {
      const missed = Math.floor((watch.look() - atMs) / tickMs)
      if (missed <= 0) {
        this.#passed(ticks)
        return
      }
      this.#miss(missed)
      env.endOfTurn(() => this.#passed(ticks))
    } catch (error) {
      fatal(error)
    }
  }

  #miss(ticks: number): void {
    this.#lastTickMs += ticks * this.#parts.tickMs
    this.#parts.onMissed(ticks)
  }

  #passed(ticks: number): void {
    if (!this.#running) return
    try {
      this.#parts.onTick(ticks)
      if (this.#running) this.#arm(this.#parts.wanted())
    } catch (error) {
      this.#parts.fatal(error)
    }
  }
}

/** The first ones. What is put in meanwhile, be it one of them again, is for the next time. */
function take<T>(from: Set<T>, most: number): readonly T[] {
  const taken: T[] = []
  for (const item of from) {
    if (taken.length === most) break
    from.delete(item)
    taken.push(item)
  }
  return taken
}
