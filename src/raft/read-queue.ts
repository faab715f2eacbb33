/**
 * Read requests that wait for a round of heartbeats (§6.4 of the dissertation). The leader numbers them itself, so that
 * equal contexts of different requesters are never taken for each other, and one confirmed number confirms all below.
 */
import type { Voters } from './quorum.ts'
import { quorumIndex } from './quorum.ts'

/** Requests kept at most: more than one turn's worth of readers; who comes later asks again. */
const READS_MAX = 4096

export interface PendingRead {
  readonly number: number
  /** The replica that asked. */
  readonly from: number
  readonly context: number
  /** Commit index when the request came. */
  readonly index: number
}

export class ReadQueue {
  /** Came before the leader committed anything in its term, so that its commit index may be behind. */
  #early: { from: number; context: number }[] = []
  #pending: PendingRead[] = []
  readonly #confirmed = new Map<number, number>()
  #lastNumber = 0
  #unsent = false

  /** Rides on heartbeats: confirms all requests up to it. 0 if none waits. */
  get lastPending(): number {
    return this.#pending.at(-1)?.number ?? 0
  }

  /** The highest number given out under this leadership. */
  get last(): number {
    return this.#lastNumber
  }

  /** Whether a heartbeat is due for requests that none carried yet. */
  get heartbeatDue(): boolean {
    return this.#unsent
  }

  get empty(): boolean {
    return this.#early.length + this.#pending.length === 0
  }

  get full(): boolean {
    return this.#early.length + this.#pending.length >= READS_MAX
  }

  addEarly(from: number, context: number): void {
    this.#early.push({ from, context })
  }

  takeEarly(): readonly { from: number; context: number }[] {
    const early = this.#early
    if (early.length > 0) this.#early = []
    return early
  }

  add(from: number, context: number, index: number): void {
    this.#lastNumber++
    this.#pending.push({ number: this.#lastNumber, from, context, index })
    this.#unsent = true
  }

  heartbeatSent(): void {
    this.#unsent = false
  }

  /** `from` answered a heartbeat that carried `number`; the requests that a quorum, `self` included, has now confirmed. */
  confirm(from: number, number: number, self: number, voters: Voters): readonly PendingRead[] {
    if (number > (this.#confirmed.get(from) ?? 0)) this.#confirmed.set(from, number)
    return this.release(self, voters)
  }

  /** The requests that a quorum of `voters`, `self` included, has confirmed, by what was answered so far. */
  release(self: number, voters: Voters): readonly PendingRead[] {
    const upTo = quorumIndex(voters, (id) => (id === self ? this.#lastNumber : this.#confirmed.get(id)))
    let count = 0
    while ((this.#pending[count]?.number ?? Number.POSITIVE_INFINITY) <= upTo) count++
    return this.#pending.splice(0, count)
  }

  /** Leadership begins or ends: nothing that waits can be answered, and old confirmations mean nothing. */
  reset(): void {
    this.#early = []
    this.#pending = []
    this.#confirmed.clear()
    this.#lastNumber = 0
    this.#unsent = false
  }
}
