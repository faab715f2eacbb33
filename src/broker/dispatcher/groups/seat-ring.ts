/** Sessions in the order of their seats: whose turn it is goes round. One is found by its seat, without a look at the others. */
import type { LiveSession } from './live-session.ts'

export class SeatRing {
  /** Ascending by seat; no two have the same. */
  #sessions: LiveSession[] = []

  get size(): number {
    return this.#sessions.length
  }

  /** One that is there stays. */
  add(session: LiveSession): void {
    const place = this.placeBehind(session.seat)
    if (this.#sessions[place - 1] !== session) this.#sessions.splice(place, 0, session)
  }

  delete(session: LiveSession): void {
    const place = this.placeBehind(session.seat) - 1
    if (this.#sessions[place] === session) this.#sessions.splice(place, 1)
  }

  /** Those that are to go, at the cost of one: the others close up once. */
  deleteAll(sessions: readonly LiveSession[]): void {
    const [first] = sessions
    if (sessions.length === 1 && first !== undefined) this.delete(first)
    if (sessions.length <= 1) return
    const gone = new Set(sessions)
    this.#sessions = this.#sessions.filter((session) => !gone.has(session))
  }

  /** The one at a place, counted round. */
  at(place: number): LiveSession | undefined {
    return this.#sessions[place % this.#sessions.length]
  }

  /** Place of the first whose seat comes after `seat`. */
  placeBehind(seat: number): number {
    let low = 0
    let high = this.#sessions.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#sessions[middle]?.seat ?? 0) <= seat) low = middle + 1
      else high = middle
    }
    return low
  }
}
