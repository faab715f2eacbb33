/**
 * What one consumer holds, and whether it may count that as its own: by the client library's clock, from echoed marks.
 * What was held before a stream counts from the echoes of the one before, until the leader says that it is kept.
 */
import { LeaseClock } from '../../src/client/lease-clock.ts'
import type { Held } from '../../src/views/timer/commands.ts'

export interface Holding extends Held {
  leaseEnd: number
  /** Given back: it no longer counts, whatever becomes of the request. */
  given: boolean
  settling: boolean
}

/** Without an echo for so long a consumer counts nothing as its own. */
const ECHO_MS = 3000

export class Holdings {
  readonly #now: () => number
  readonly #clock = new LeaseClock()
  readonly #held = new Map<number, Holding>()
  readonly #marksSentMs = new Map<number, number>()
  #echoedSentMs = 0
  #subscribed = false

  constructor(now: () => number) {
    this.#now = now
  }

  /** What a reattaching stream lists. */
  get list(): Held[] {
    return [...this.#held.values()].map(({ index, fence }) => ({ index, fence }))
  }

  /** False: another consumer may hold what this one holds. */
  get confirmed(): boolean {
    return this.#clock.confirmed(this.#now())
  }

  counts(index: number): boolean {
    for (const holding of this.#held.values()) if (holding.index === index && this.isOwn(holding)) return true
    return false
  }

  isOwn(holding: Holding): boolean {
    const now = this.#now()
    const confirmed = this.#subscribed ? this.#clock.confirmed(now) : now - this.#echoedSentMs < ECHO_MS
    return confirmed && this.has(holding) && !holding.given && holding.leaseEnd > now
  }

  has(holding: Holding): boolean {
    return this.#held.get(holding.fence) === holding
  }

  /** A delivery came with `mark`, the newest echo before it. */
  add({ index, fence }: Held, mark: number, leaseMs: number): Holding {
    const leaseEnd = this.#clock.leaseFrom(mark) + leaseMs
    const holding = { index, fence, leaseEnd, given: false, settling: false }
    this.#held.set(fence, holding)
    return holding
  }

  release(holding: Holding): void {
    if (this.has(holding)) this.#held.delete(holding.fence)
  }

  clear(): void {
    this.#held.clear()
  }

  expire(): void {
    for (const holding of this.#held.values()) if (holding.leaseEnd <= this.#now()) this.release(holding)
  }

  /** A stream begins. */
  begin(): void {
    this.#clock.begin(this.#now())
  }

  /** The next mark, sent now. */
  mark(): number {
    const mark = this.#clock.mark(this.#now())
    this.#marksSentMs.set(mark, this.#now())
    return mark
  }

  echo(mark: number): void {
    this.#clock.echo(mark)
    this.#echoedSentMs = Math.max(this.#echoedSentMs, this.#marksSentMs.get(mark) ?? 0)
    for (const older of this.#marksSentMs.keys()) if (older <= mark) this.#marksSentMs.delete(older)
  }

  /** The stream is attached; of what was held the leader keeps this. */
  keep(kept: readonly Held[]): readonly Holding[] {
    this.#subscribed = true
    const fences = new Set(kept.map(({ fence }) => fence))
    for (const holding of this.#held.values()) if (!fences.has(holding.fence)) this.release(holding)
    return [...this.#held.values()]
  }

  /** The stream is gone. */
  end(): void {
    this.#subscribed = false
    this.#marksSentMs.clear()
    for (const holding of this.#held.values()) holding.settling = false
  }
}
