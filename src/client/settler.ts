// Acks, nacks and extends of one partition: collects those of one turn into few requests and keeps each until it is
// answered. What a broken stream left unanswered is asked again on the next one: a repeated ack is answered as the first
// one was. A nack or extend whose lease is then no longer current may have had its effect: COMMIT_UNKNOWN, not LEASE_LOST.
import type { Env } from '../base/env.ts'
import { ERROR_TABLE, SandglassError } from '../base/errors.ts'
import { Fifo } from '../base/fifo.ts'
import { fromErrorMessage } from '../wire/errors.ts'
import type { ConsumeRequest, Settled } from '../wire/messages.ts'
import { SETTLE_ITEMS_MAX } from '../wire/queue-requests.ts'
import type { Init } from '../wire/wire.ts'
import { Backoff } from './backoff.ts'
import type { HeldDelivery, Settlement } from './delivery.ts'

interface Entry {
  readonly held: HeldDelivery
  readonly settlement: Settlement
  readonly deadline: number
  /** When it was last sent. */
  sentAt: number
  /** An earlier try was left without an answer. */
  unknown: boolean
  resolve(): void
  reject(error: SandglassError): void
}

export interface SettlerContext {
  readonly env: Env
  readonly timeoutMs: number
  /** False while there is no subscribed stream. */
  send(request: Init<ConsumeRequest>): boolean
  /** A settlement took effect; `sentAt`: when it left. */
  settled(held: HeldDelivery, settlement: Settlement, sentAt: number): void
  lost(held: HeldDelivery): void
}

export class Settler {
  readonly #context: SettlerContext
  readonly #backoff: Backoff
  readonly #queue = new Fifo<Entry>()
  readonly #sent = new Map<number, readonly Entry[]>()
  #nextId = 1
  #scheduled = false

  constructor(context: SettlerContext) {
    this.#context = context
    this.#backoff = new Backoff(context.env)
  }

  /** Whether something is unanswered. */
  get busy(): boolean {
    return this.#queue.length > 0 || this.#sent.size > 0
  }

  settle(held: HeldDelivery, settlement: Settlement): Promise<void> {
    return new Promise((resolve, reject) => {
      const { env, timeoutMs } = this.#context
      const deadline = env.monoMs() + timeoutMs
      this.#queue.push({ held, settlement, deadline, sentAt: 0, unknown: false, resolve, reject })
      this.#flushSoon(0)
    })
  }

  /** The stream is subscribed: what waited may leave. */
  resume(): void {
    this.#flushSoon(0)
  }

  /** The stream is gone: what was sent may or may not have been carried out. */
  interrupt(): void {
    const sent = [...this.#sent.values()].flat()
    this.#sent.clear()
    for (const entry of sent) entry.unknown = true
    this.#again(sent)
  }

  answered(answer: Settled): void {
    const entries = this.#sent.get(answer.id)
    if (entries === undefined) return
    this.#sent.delete(answer.id)
    if (answer.error !== null) {
      this.#failed(entries, fromErrorMessage(answer.error))
      return
    }
    this.#backoff.reset()
    const lost = new Set(answer.lost)
    for (const [place, entry] of entries.entries()) {
      if (lost.has(place)) {
        this.#lost(entry)
        continue
      }
      this.#context.settled(entry.held, entry.settlement, entry.sentAt)
      entry.resolve()
    }
  }

  /** Ends what is past its deadline. */
  expire(nowMs: number): void {
    const late = (entry: Entry): boolean => entry.deadline <= nowMs
    for (const [id, entries] of this.#sent) {
      // One request is one turn's: its first entry is its oldest, and it is answered as a whole.
      if (!entries.every(late)) continue
      this.#sent.delete(id)
      for (const entry of entries) entry.reject(unanswered(true))
    }
    for (const entry of this.#queue.drain()) {
      if (late(entry)) entry.reject(unanswered(entry.unknown))
      else this.#queue.push(entry)
    }
  }

  /** Ends everything that is left. */
  abort(error: SandglassError): void {
    for (const entry of this.#queue.drain()) entry.reject(entry.unknown ? unanswered(true) : error)
    for (const entries of this.#sent.values()) for (const entry of entries) entry.reject(unanswered(true))
    this.#sent.clear()
  }

  #failed(entries: readonly Entry[], error: SandglassError): void {
    if (ERROR_TABLE[error.reason].retry === 'never') {
      for (const entry of entries) entry.reject(error)
      return
    }
    if (error.outcome === 'unknown') for (const entry of entries) entry.unknown = true
    this.#again(entries)
    this.#flushSoon(this.#backoff.next())
  }

  /** They come before what has not been sent yet. */
  #again(entries: readonly Entry[]): void {
    for (const entry of entries.toReversed()) this.#queue.unshift(entry)
  }

  #lost(entry: Entry): void {
    this.#context.lost(entry.held)
    entry.reject(entry.unknown && entry.settlement.type !== 'ack' ? unanswered(true) : leaseLost())
  }

  /** What one turn asks for leaves together at its end; after a refusal, later. */
  #flushSoon(afterMs: number): void {
    if (this.#scheduled || this.#queue.length === 0) return
    this.#scheduled = true
    const flush = (): void => {
      this.#scheduled = false
      this.#flush()
    }
    if (afterMs === 0) this.#context.env.endOfTurn(flush)
    else this.#context.env.after(afterMs, flush)
  }

  #flush(): void {
    while (this.#queue.length > 0) {
      const entries = takeRun(this.#queue)
      if (!this.#context.send(request(this.#nextId, entries))) {
        this.#again(entries)
        return
      }
      const now = this.#context.env.monoMs()
      for (const entry of entries) entry.sentAt = now
      this.#sent.set(this.#nextId++, entries)
    }
  }
}

/** Takes those in front that fit one request: the same settlement. */
function takeRun(queue: Fifo<Entry>): Entry[] {
  const run: Entry[] = []
  for (let next = queue.first; next !== undefined && run.length < SETTLE_ITEMS_MAX; next = queue.first) {
    if (run.length > 0 && !same(run[0]?.settlement, next.settlement)) break
    run.push(next)
    queue.shift()
  }
  return run
}

function same(a: Settlement | undefined, b: Settlement | undefined): boolean {
  if (a === b) return true
  if (a?.type === 'nack' && b?.type === 'nack') return a.delayMs === b.delayMs && a.reason === b.reason
  return a?.type === 'extend' && b?.type === 'extend' && a.leaseMs === b.leaseMs
}

function request(id: number, entries: readonly Entry[]): Init<ConsumeRequest> {
  const index = entries.map((entry) => entry.held.index)
  const fence = entries.map((entry) => entry.held.fence)
  const settlement = entries[0]?.settlement ?? { type: 'ack' }
  if (settlement.type === 'ack') return { ack: { id, index, fence } }
  if (settlement.type === 'extend') return { extend: { id, index, fence, leaseMs: settlement.leaseMs } }
  return { nack: { id, index, fence, delayMs: settlement.delayMs, reason: settlement.reason } }
}

function leaseLost(): SandglassError {
  return new SandglassError('LEASE_LOST', 'Cannot settle the delivery: its lease has ended')
}

function unanswered(maybe: boolean): SandglassError {
  if (!maybe) return new SandglassError('UNREACHABLE', 'Cannot settle the delivery in time: no leader was reached')
  return new SandglassError('COMMIT_UNKNOWN', 'Cannot tell whether the delivery was settled: no answer came')
}
