// One message in the hands of a consumer, and what may be done with it.
import { invalid } from '../base/errors.ts'
import { DELAY_MS_MAX, NACK_REASON_CHARS_MAX } from '../base/limits.ts'
import { encodeOffset } from '../base/offset.ts'
import { isLonger } from '../wire/fields.ts'
import type * as messages from '../wire/messages.ts'
import { checkObject, checkWithin } from './checks.ts'

/** `key`, `value`: views of received bytes; copy what is kept for long. Times are ms since 1970 UTC, the leader's. */
export interface Delivery {
  /** Names the message for ever, unless it was rescheduled. */
  readonly offset: string
  readonly partition: number
  readonly index: number
  readonly key: Uint8Array | undefined
  readonly value: Uint8Array
  readonly headers: Readonly<Record<string, string>>
  readonly dueMs: number
  /** Leader's time at which its lease began. */
  readonly deliveredMs: number
  /** 1: the first delivery to this group. */
  readonly deliveryCount: number
  readonly fence: number
  /**
   * Done with it. Resolves once a majority has it. Rejects with LEASE_LOST when the lease had ended (it is, or will be,
   * delivered again), COMMIT_UNKNOWN when no answer came in time, and UNREACHABLE when it could not be sent.
   */
  ack(): Promise<void>
  /**
   * Deliver again, after `delayMs` (default 0, up to ten years). `reason`: up to 256 characters. Rejects as ack() does, and
   * with INVALID for what is beyond that.
   */
  nack(options?: { readonly delayMs?: number; readonly reason?: string }): Promise<void>
  /** The lease ends `ms` from now instead: 1 to ten years. Rejects as ack() does, and with INVALID. */
  extend(ms: number): Promise<void>
}

export type Settlement =
  | { readonly type: 'ack' }
  | { readonly type: 'nack'; readonly delayMs: number; readonly reason: string }
  | { readonly type: 'extend'; readonly leaseMs: number }

/** What becomes of a held delivery; its stream (partition-consumer.ts) decides. */
export interface Holder {
  settle(held: HeldDelivery, settlement: Settlement): Promise<void>
}

interface Leased {
  readonly partition: number
  readonly deliveredMs: number
  readonly leaseMs: number
  /** From when the lease surely ran, and from when at the latest; by the monotonic clock. */
  readonly leaseFrom: number
  readonly receivedAt: number
}

/**
 * buffered: not yet given to the user. out: given. gone: the lease ended, was lost, or it is settled;
 * only 'buffered' ones are ever given out.
 */
type State = 'buffered' | 'out' | 'gone'

export class HeldDelivery implements Delivery {
  readonly partition: number
  readonly index: number
  readonly fence: number
  readonly dueMs: number
  readonly deliveredMs: number
  readonly deliveryCount: number
  readonly #body: messages.Body | null
  readonly #holder: Holder
  state: State = 'buffered'
  /** Until when it is surely ours, by the monotonic clock; Infinity for an endless lease. */
  leaseEnd: number
  /**
   * Until when it may be ours. A reattaching stream names it up to then: the leader knows better, and what is not named
   * returns at once while its holder may still be at work.
   */
  claimEnd: number

  constructor(holder: Holder, message: messages.Delivery, leased: Leased) {
    this.#holder = holder
    this.#body = message.body
    this.partition = leased.partition
    this.index = message.index
    this.fence = message.fence
    this.dueMs = message.dueMs
    this.deliveredMs = leased.deliveredMs
    this.deliveryCount = message.count
    const leaseMs = leased.leaseMs === 0 ? Number.POSITIVE_INFINITY : leased.leaseMs
    this.leaseEnd = leased.leaseFrom + leaseMs
    this.claimEnd = leased.receivedAt + leaseMs
  }

  get offset(): string {
    return encodeOffset({ due: this.dueMs, index: this.index, partition: this.partition })
  }

  get key(): Uint8Array | undefined {
    const key = this.#body?.key
    return key === undefined || key.length === 0 ? undefined : key
  }

  get value(): Uint8Array {
    return this.#body?.value ?? EMPTY
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#body?.headers ?? {}
  }

  ack(): Promise<void> {
    return this.#holder.settle(this, ACK)
  }

  async nack(options: { readonly delayMs?: number; readonly reason?: string } = {}): Promise<void> {
    checkObject(options, 'options')
    const { delayMs = 0, reason = '' } = options
    checkWithin(delayMs, 'delayMs', { min: 0, max: DELAY_MS_MAX })
    if (typeof reason !== 'string' || isLonger(reason, NACK_REASON_CHARS_MAX)) {
      throw invalid('reason', `Cannot take reason: must be text of at most ${NACK_REASON_CHARS_MAX} characters`)
    }
    return this.#holder.settle(this, { type: 'nack', delayMs: Math.ceil(delayMs), reason })
  }

  async extend(ms: number): Promise<void> {
    checkWithin(ms, 'ms', { min: 1, max: DELAY_MS_MAX })
    return this.#holder.settle(this, { type: 'extend', leaseMs: Math.floor(ms) })
  }
}

const ACK = { type: 'ack' } as const
const EMPTY = new Uint8Array(0)
