/** The open streams and Pulls of one group, in the order of their seats: whose turn it is goes round. */
import type { GroupView } from '../../../views/timer/queries.ts'
import type { LiveSession } from './live-session.ts'

export interface Taker {
  readonly session: LiveSession
  /** How many messages it may be given, at least one. */
  readonly room: number
}

export class GroupSessions {
  readonly #byId = new Map<string, LiveSession>()
  /** Ascending by seat. */
  readonly #ring: LiveSession[] = []
  /** Sessions that are being attached: what is proposed behind that belongs to a stream that is not open yet. */
  readonly #attaching: ReadonlyMap<string, unknown>
  /** Those that know that the group has caught up since it last had something. */
  #told = new Set<LiveSession>()

  constructor(attaching: ReadonlyMap<string, unknown>) {
    this.#attaching = attaching
  }

  get size(): number {
    return this.#ring.length
  }

  get(id: string): LiveSession | undefined {
    return this.#byId.get(id)
  }

  /** Returns the older stream of the same session, whose place it takes. */
  add(session: LiveSession): LiveSession | undefined {
    const older = this.delete(session.id)
    this.#byId.set(session.id, session)
    this.#ring.splice(this.#placeBehind(session.seat), 0, session)
    return older === session ? undefined : older
  }

  delete(id: string): LiveSession | undefined {
    const session = this.#byId.get(id)
    if (session === undefined) return undefined
    this.#byId.delete(id)
    this.#ring.splice(this.#ring.indexOf(session), 1)
    this.#told.delete(session)
    return session
  }

  all(): readonly LiveSession[] {
    return [...this.#ring]
  }

  /** Whether somebody is to hear when the group has caught up. */
  get curious(): boolean {
    return this.#told.size < this.#ring.length
  }

  /** The group has something again. */
  behind(): void {
    if (this.#told.size > 0) this.#told = new Set()
  }

  /** Each session hears it once. */
  caughtUp(at: number): void {
    for (const session of this.all()) {
      if (this.#told.has(session)) continue
      this.#told.add(session)
      session.caughtUp(at)
    }
  }

  /** Up to `count` sessions with room, in order of their turn: the first is the one behind `lastSeat`. */
  takers(group: GroupView, count: number, lastSeat: number): Taker[] {
    const takers: Taker[] = []
    const from = this.#placeBehind(lastSeat)
    for (let i = 0; i < this.#ring.length && takers.length < count; i++) {
      const session = this.#ring[(from + i) % this.#ring.length]
      if (session === undefined || !session.writable() || this.#attaching.has(session.id)) continue
      const leased = session.attached ? group.leasedBy(session.id) : 0
      if (leased === undefined) continue
      const room = session.credit - leased - session.proposed
      if (room > 0) takers.push({ session, room })
    }
    return takers
  }

  /** Place of the first whose seat comes after `seat`. */
  #placeBehind(seat: number): number {
    let low = 0
    let high = this.#ring.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#ring[middle]?.seat ?? 0) <= seat) low = middle + 1
      else high = middle
    }
    return low
  }
}
