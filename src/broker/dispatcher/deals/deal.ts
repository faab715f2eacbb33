/**
 * Deals due messages to the sessions that have room, one each in turn, so that equal consumers get equal shares however
 * small the batches are. The turn goes on where the last deal ended.
 */
import { ENTRY_MESSAGES_MAX, MESSAGE_BYTES_MAX } from '../../../base/limits.ts'
import type { KnownMessage } from '../windows/sorted-messages.ts'

/** With a message of full size on top it still fits into what a gRPC client takes by default, 4 MiB. */
export const DEAL_BYTES = 2 * MESSAGE_BYTES_MAX

/** What a session is dealt: messages never handed out before, and redeliveries. */
export interface Hand<S> {
  readonly session: S
  room: number
  readonly fresh: KnownMessage[]
  readonly again: KnownMessage[]
}

export class Deal<S> {
  readonly hands: readonly Hand<S>[]
  #next = 0
  #rest: number
  #count = 0
  #bytes = 0
  #last: S | undefined

  /** `sessions` in order of their turn. */
  constructor(sessions: readonly { readonly session: S; readonly room: number }[]) {
    this.hands = sessions.map(({ session, room }) => ({ session, room, fresh: [], again: [] }))
    this.#rest = sessions.reduce((n, { room }) => n + room, 0)
  }

  /** Dealt so far. */
  get count(): number {
    return this.#count
  }

  /** Who got the last message. */
  get last(): S | undefined {
    return this.#last
  }

  /** How many more can be dealt; 0 also when DEAL_BYTES are dealt. */
  get room(): number {
    return this.#bytes >= DEAL_BYTES ? 0 : Math.min(this.#rest, ENTRY_MESSAGES_MAX - this.#count)
  }

  /** The caller has checked `room`. */
  give(message: KnownMessage, kind: 'fresh' | 'again'): void {
    for (let tries = 0; tries < this.hands.length; tries++) {
      const hand = this.hands[this.#next]
      this.#next = (this.#next + 1) % this.hands.length
      if (hand === undefined || hand.room === 0) continue
      hand.room -= 1
      hand[kind].push(message)
      this.#last = hand.session
      this.#rest -= 1
      this.#count += 1
      this.#bytes += message.body.length
      return
    }
  }
}
