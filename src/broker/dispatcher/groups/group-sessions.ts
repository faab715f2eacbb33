/**
 * The open streams and Pulls of one group. Invariant: whoever may have room is in the ring. A look takes out of it who has
 * none, and what gives room back puts him in again: so a look meets those who have been given something since the last one,
 * and nobody who waits for his consumer.
 */
import type { GroupView } from '../../../views/timer/queries.ts'
import type { LiveSession } from './live-session.ts'
import { SeatRing } from './seat-ring.ts'

export interface Taker {
  readonly session: LiveSession
  /** How many messages it may be given, at least one. */
  readonly room: number
}

export class GroupSessions {
  readonly #byId = new Map<string, LiveSession>()
  readonly #roomy = new SeatRing()
  /** Sessions that are being attached: what is proposed behind that belongs to a stream that is not open yet. */
  readonly #attaching: ReadonlyMap<string, unknown>
  /** Those that are to hear when the group has caught up: they have just come, or have been given something. */
  readonly #curious = new Set<LiveSession>()

  constructor(attaching: ReadonlyMap<string, unknown>) {
    this.#attaching = attaching
  }

  get size(): number {
    return this.#byId.size
  }

  get(id: string): LiveSession | undefined {
    return this.#byId.get(id)
  }

  /** Returns the older stream of the same session, whose place it takes. */
  add(session: LiveSession): LiveSession | undefined {
    const older = this.delete(session.id)
    this.#byId.set(session.id, session)
    this.#roomy.add(session)
    this.#curious.add(session)
    return older === session ? undefined : older
  }

  delete(id: string): LiveSession | undefined {
    const session = this.#byId.get(id)
    if (session === undefined) return undefined
    this.#byId.delete(id)
    this.#roomy.delete(session)
    this.#curious.delete(session)
    return session
  }

  all(): readonly LiveSession[] {
    return [...this.#byId.values()]
  }

  /** The session may take more than before: credit, leases or its stream have room again. */
  roomMade(id: string): void {
    const session = this.#byId.get(id)
    if (session !== undefined) this.#roomy.add(session)
  }

  /** The session is given something. */
  behind(session: LiveSession): void {
    if (this.#byId.get(session.id) === session) this.#curious.add(session)
  }

  /** Whether somebody is to hear when the group has caught up. */
  get curious(): boolean {
    return this.#curious.size > 0
  }

  /** At most `count` of the curious hear it, each once. */
  caughtUp(at: number, count: number): void {
    let left = count
    for (const session of this.#curious) {
      if (left-- === 0) return
      this.#curious.delete(session)
      session.caughtUp(at)
    }
  }

  /** Up to `count` sessions with room, in order of their turn: the first is the one behind `lastSeat`. */
  takers(group: GroupView, count: number, lastSeat: number): Taker[] {
    const takers: Taker[] = []
    const full: LiveSession[] = []
    const { size } = this.#roomy
    const from = this.#roomy.placeBehind(lastSeat)
    for (let i = 0; i < size && takers.length < count; i++) {
      const session = this.#roomy.at(from + i)
      if (session === undefined) continue
      const room = this.#roomOf(session, group)
      if (room > 0) takers.push({ session, room })
      else full.push(session)
    }
    this.#roomy.deleteAll(full)
    return takers
  }

  #roomOf(session: LiveSession, group: GroupView): number {
    if (!session.writable() || this.#attaching.has(session.id)) return 0
    const leased = session.attached ? group.leasedBy(session.id) : 0
    return leased === undefined ? 0 : session.credit - leased - session.proposed
  }
}
