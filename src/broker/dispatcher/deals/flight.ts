/** One proposed `deliver` command with all that is needed to hand its messages out when it is applied: nothing is read then. */
import { assert } from '../../../base/assert.ts'
import type { DeliverCommand, Granted, GroupName, Position } from '../../../views/timer/commands.ts'
import type { DeliveredMessage, LiveSession } from '../groups/live-session.ts'
import type { Deal, Hand } from './deal.ts'

export class Flight {
  readonly to: Position
  readonly freshCount: number
  /** Seat of the session that was dealt the last message: the turn goes on behind it. */
  readonly lastSeat: number
  /** What it pins, each buffer once and whole. */
  readonly bytes: number
  readonly #name: GroupName
  readonly #after: Position
  readonly #hands: readonly Hand<LiveSession>[]
  /** Of each session's hand. */
  readonly #marks: readonly number[]

  constructor(name: GroupName, after: Position, to: Position, deal: Deal<LiveSession>) {
    this.#name = name
    this.#after = after
    this.to = to
    this.#hands = deal.hands.filter((hand) => hand.fresh.length + hand.again.length > 0)
    // Leases are stamped now: a mark echoed while the command is on its way must not lengthen what the consumer counts.
    this.#marks = this.#hands.map(({ session }) => session.mark)
    this.freshCount = this.#hands.reduce((n, hand) => n + hand.fresh.length, 0)
    this.lastSeat = deal.last?.seat ?? -1
    this.bytes = this.#pinned()
  }

  command(): DeliverCommand {
    return {
      type: 'deliver',
      ...this.#name,
      after: this.#after,
      to: this.to,
      runs: this.#hands.map(({ session, fresh, again }) => ({
        session: session.id,
        leaseMs: session.leaseMs,
        positions: fresh,
        again: again.map((message) => message.index),
      })),
      parked: [],
    }
  }

  /** What each session's credit is charged until the command lands. */
  *shares(): Iterable<{ session: LiveSession; count: number }> {
    for (const { session, fresh, again } of this.#hands) yield { session, count: fresh.length + again.length }
  }

  *againIndexes(): Iterable<number> {
    for (const hand of this.#hands) for (const message of hand.again) yield message.index
  }

  hand(session: string): Hand<LiveSession> | undefined {
    return this.#hands.find((hand) => hand.session.id === session)
  }

  /** The newest mark that the hand's session had echoed when this was proposed. */
  markOf(hand: Hand<LiveSession>): number {
    return this.#marks[this.#hands.indexOf(hand)] ?? 0
  }

  /** Joins what apply granted with the bodies that were read before it was proposed, in order of position. */
  bodies(hand: Hand<LiveSession>, granted: readonly Granted[]): readonly DeliveredMessage[] {
    const known = hand.again.length === 0 ? hand.fresh : [...hand.again, ...hand.fresh]
    let k = 0
    return granted.map(({ due, index, fence, count }) => {
      while (k < known.length && known[k]?.index !== index) k += 1
      const body = known[k]?.body
      assert(body !== undefined, 'a granted message has its body')
      return { due, index, fence, count, body }
    })
  }

  #pinned(): number {
    const buffers = new Set<ArrayBufferLike>()
    let bytes = 0
    let last: ArrayBufferLike | undefined
    for (const { fresh, again } of this.#hands) {
      for (const messages of [again, fresh]) {
        for (const { body } of messages) {
          if (body.buffer === last) continue
          last = body.buffer
          if (buffers.has(last)) continue
          buffers.add(last)
          bytes += last.byteLength
        }
      }
    }
    return bytes
  }
}
