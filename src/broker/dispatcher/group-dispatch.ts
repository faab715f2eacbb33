/**
 * One group on the leader: matches what is due with sessions that have credit and proposes `deliver` commands, several
 * in flight. Invariants: every live position in (after, to] of a command is named by it; `after` is the cursor as the
 * commands in flight will leave it, and after a refusal nothing is proposed before all of them have landed.
 */
import { assert } from '../../base/assert.ts'
import { SandglassError } from '../../base/errors.ts'
import { OUTSTANDING_MAX } from '../../base/limits.ts'
import type { GroupName, Position, TimerReply } from '../../views/timer/commands.ts'
import type { GroupView, SessionInfo } from '../../views/timer/queries.ts'
import type { Answer } from '../lane.ts'
import { groupCounters } from '../stats.ts'
import type { DispatchContext, DispatchedGroup } from './context.ts'
import { Deal } from './deal.ts'
import { Flight } from './flight.ts'
import { GroupLeases } from './group-leases.ts'
import type { LiveSession } from './live-session.ts'
import { isPullConsumer } from './pull-name.ts'
import type { Window } from './window.ts'

/** Deliver commands in flight: covers a commit's round trip at full entries. */
const FLIGHTS_MAX = 4
/**
 * A command with fewer messages waits for those in flight: it goes with what falls due meanwhile. Many small entries cost
 * every node more than they hasten (Nagle's rule, RFC 896).
 */
const SMALL_FLIGHT = 64
/** After a refused or stale command, ms. */
const RETRY_MS = 20

export class GroupDispatch implements DispatchedGroup {
  readonly name: GroupName
  readonly #context: DispatchContext
  readonly #live = new Map<string, LiveSession>()
  /** Sessions whose attach command is on its way. */
  readonly #attaching = new Set<string>()
  readonly #leases: GroupLeases
  readonly #againFlying = new Set<number>()
  #freshFlying = 0
  #flights = 0
  /** The cursor as the commands in flight will leave it. */
  #ahead: Position | undefined
  /** A command was refused: those behind it are stale, wait for them all. */
  #recovering = false
  #retryAt: number | undefined
  #lastSeat = -1
  #seats = 0
  /** Set by `run` while somebody could take a message: whether to wake for the next due time. */
  #wanting = false

  constructor(name: GroupName, context: DispatchContext) {
    this.name = name
    this.#context = context
    this.#leases = new GroupLeases(name, context, () => context.wake(this))
  }

  nextSeat(): number {
    this.#seats += 1
    return this.#seats
  }

  /** An extend was applied. */
  extended(deadline: number, leaseMs: number): void {
    this.#leases.granted(deadline, leaseMs)
  }

  /** Nothing was applied under its name, and nothing is on its way that could be. */
  get unknown(): boolean {
    return this.#attaching.size === 0 && this.#context.handle.view.group(this.name) === undefined
  }

  /** Its attach command is on its way: no grace may end it behind that. */
  attaching(session: string): void {
    this.#attaching.add(session)
    this.#leases.returned(session)
  }

  /** A Pull was not attached. */
  refused(session: string): void {
    this.#attaching.delete(session)
    this.#context.wake(this)
  }

  /** The session is attached and its stream open. An older stream of the same session gives way. */
  add(session: LiveSession): LiveSession | undefined {
    this.#attaching.delete(session.id)
    const older = this.#live.get(session.id)
    this.#live.set(session.id, session)
    this.#leases.returned(session.id)
    this.#context.wake(this)
    return older === session ? undefined : older
  }

  /** Its stream is gone. `clean`: it gave everything back, so that its leases end now. */
  remove(session: Pick<LiveSession, 'id'>, clean: boolean): void {
    this.#attaching.delete(session.id)
    const other = this.#live.get(session.id)
    if (other !== undefined && other !== session) return
    this.#live.delete(session.id)
    this.#leases.gone(session.id, clean ? 0 : this.#context.config.reattachMs)
    this.#context.wake(this)
  }

  /** A Pull is over. `kept`: it was answered, and its leases run to their end. */
  removePull(session: Pick<LiveSession, 'id'>, kept: boolean): void {
    this.#attaching.delete(session.id)
    this.#live.delete(session.id)
    if (kept) this.#leases.outlives(session.id)
    else this.#leases.gone(session.id, 0)
    this.#context.wake(this)
  }

  /** A session that an earlier leader knew: its stream has reattachMs to come back, a Pull has none. */
  inherit({ session, consumer }: SessionInfo): void {
    if (isPullConsumer(consumer)) this.#leases.outlives(session)
    else this.#leases.gone(session, this.#context.config.reattachMs)
  }

  /** A newer session of the same consumer took its place and its leases returned. */
  replaced(session: string): void {
    const found = this.#live.get(session)
    this.#live.delete(session)
    found?.end(new SandglassError('SESSION_REPLACED', 'Cannot go on: a newer session of this consumer is attached'))
    this.#leases.returned(session)
  }

  sessions(): Iterable<LiveSession> {
    return this.#live.values()
  }

  /** Looks at everything that can be done for the group now. */
  run(now: number): void {
    const { view } = this.#context.handle
    const group = view.group(this.name)
    this.#wanting = false
    if (group === undefined) return
    this.#leases.run(group, now)
    if (this.#live.size === 0) {
      if (this.#flights === 0) this.#context.windows(this.name.channel).leave(this)
      return
    }
    while (this.#deliverSome(group, now));
    this.#noteCaughtUp(group, now)
  }

  /** Monotonic ms until `run` has something to do by time alone. */
  waitMs(now: number): number | undefined {
    const { clock, env, handle } = this.#context
    const group = handle.view.group(this.name)
    if (group === undefined) return undefined
    const waits = [this.#leases.waitMs(group, now)]
    if (this.#retryAt !== undefined) waits.push(this.#retryAt - env.monoMs())
    if (this.#wanting) {
      const after = this.#ahead ?? group.cursor
      const next = [this.#window(after).nextDue(after), group.nextReadyAt()]
      for (const time of next) if (time !== undefined && time > now) waits.push(clock.waitMs(time))
    }
    const known = waits.filter((wait) => wait !== undefined)
    return known.length === 0 ? undefined : Math.min(...known)
  }

  #window(cursor: Position): Window {
    return this.#context.windows(this.name.channel).use(this, cursor)
  }

  #deliverSome(group: GroupView, now: number): boolean {
    if (this.#blocked()) return false
    const deal = new Deal(this.#takers(group))
    if (deal.room === 0) return false
    this.#wanting = true
    const after = this.#ahead ?? group.cursor
    this.#dealAgain(group, now, deal)
    const to = this.#dealFresh(group, after, now, deal)
    if (deal.count === 0) return false
    if (this.#flights > 0 && deal.count < SMALL_FLIGHT) {
      // A flight that lands looks again, whatever falls due meanwhile.
      this.#wanting = false
      return false
    }
    this.#propose(new Flight(this.name, after, to, deal))
    return true
  }

  #blocked(): boolean {
    if (this.#flights >= FLIGHTS_MAX || this.#recovering) return true
    if (this.#retryAt === undefined) return false
    if (this.#context.env.monoMs() < this.#retryAt) return true
    this.#retryAt = undefined
    return false
  }

  /** Sessions with room, in order of their turn. */
  #takers(group: GroupView): { session: LiveSession; room: number }[] {
    const takers: { session: LiveSession; room: number }[] = []
    for (const { session: id, leased } of group.sessions()) {
      const session = this.#live.get(id)
      if (session === undefined || !session.writable()) continue
      const room = session.credit - leased - session.proposed
      if (room > 0) takers.push({ session, room })
    }
    const turn = ({ seat }: LiveSession) => (seat > this.#lastSeat ? seat - this.#seats - 1 : seat)
    return takers.sort((a, b) => turn(a.session) - turn(b.session))
  }

  #dealAgain(group: GroupView, now: number, deal: Deal<LiveSession>): void {
    const { view, store } = this.#context.handle
    for (const waiting of group.ready(now, deal.room + this.#againFlying.size)) {
      if (deal.room === 0) return
      if (this.#againFlying.has(waiting.index)) continue
      const message = view.message(store, waiting, this.name.channel)
      assert(message !== undefined, 'an outstanding message has its body')
      deal.give(message, 'again')
    }
  }

  /** Deals new messages in order; returns the new cursor. */
  #dealFresh(group: GroupView, after: Position, now: number, deal: Deal<LiveSession>): Position {
    const window = this.#window(after)
    const horizon = this.#context.horizon(now)
    const rest = OUTSTANDING_MAX - group.outstanding - this.#freshFlying
    let to = after
    let dealt = 0
    window.walk(after, (message) => {
      if (message.due > horizon || deal.room === 0 || dealt >= rest) return false
      deal.give(message, 'fresh')
      to = { due: message.due, index: message.index }
      dealt += 1
      return true
    })
    if (window.wantsFill(to)) this.#context.fill(this.name.channel, window, to)
    return to
  }

  #propose(flight: Flight): void {
    this.#flights += 1
    this.#ahead = flight.to
    this.#freshFlying += flight.freshCount
    for (const index of flight.againIndexes()) this.#againFlying.add(index)
    for (const { session, count } of flight.shares()) session.proposed += count
    this.#lastSeat = flight.lastSeat
    for (const session of this.#live.values()) session.toldCaughtUp = false
    this.#context.submit(flight.command(), (answer) => this.#landed(flight, answer))
  }

  #landed(flight: Flight, answer: Answer): void {
    this.#flights -= 1
    this.#freshFlying -= flight.freshCount
    for (const index of flight.againIndexes()) this.#againFlying.delete(index)
    if (answer.type === 'reply' && answer.reply.type === 'delivered') this.#handOut(flight, answer.reply)
    else {
      this.#recovering = true
      this.#retryAt = this.#context.env.monoMs() + RETRY_MS
    }
    for (const { session, count } of flight.shares()) session.proposed -= count
    if (this.#flights === 0) {
      this.#ahead = undefined
      this.#recovering = false
    }
    this.#context.wake(this)
  }

  #handOut(flight: Flight, reply: Extract<TimerReply, { type: 'delivered' }>): void {
    const { clock, handle } = this.#context
    const now = clock.now()
    const counters = groupCounters(this.#context.counters, this.name.group)
    for (const run of reply.runs) {
      const hand = flight.hand(run.session)
      assert(hand !== undefined, 'apply answers only runs that were proposed')
      this.#leases.granted(run.deadline, hand.session.leaseMs)
      const messages = flight.bodies(
        hand,
        run.items,
        (position) => handle.view.message(handle.store, position, this.name.channel)?.body,
      )
      for (const { due, count } of run.items) {
        counters.delivered += 1
        if (count > 1) counters.redelivered += 1
        if (count === 1 || due > now) this.#context.onLateness(now - due)
      }
      // A stream that ended meanwhile keeps these leases as it keeps the others.
      if (messages.length > 0) hand.session.deliver(now, flight.markOf(hand), messages)
    }
  }

  #noteCaughtUp(group: GroupView, now: number): void {
    if (this.#flights > 0) return
    const window = this.#window(group.cursor)
    const due = window.nextDue(group.cursor)
    const somethingDue = due === undefined ? !window.complete : due <= now
    if (due === undefined && window.wantsFill(group.cursor)) {
      this.#context.fill(this.name.channel, window, group.cursor)
    }
    if (somethingDue || group.ready(now, 1).length > 0) return
    const at = this.#context.horizon(now)
    for (const session of this.#live.values()) {
      if (session.toldCaughtUp) continue
      session.toldCaughtUp = true
      session.caughtUp(at)
    }
  }
}
