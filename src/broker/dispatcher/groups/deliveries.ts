/**
 * Hands messages of one group out: `deliver` commands, several in flight. Invariants: every live position in (after, to] of
 * a command is named by it; `after` is the cursor as the commands in flight will leave it, and after a refusal nothing is
 * proposed before all of them have landed; what a command names has its body at hand.
 */
import { assert } from '../../../base/assert.ts'
import { ENTRY_MESSAGES_MAX, OUTSTANDING_MAX } from '../../../base/limits.ts'
import type { Position, TimerReply } from '../../../views/timer/commands.ts'
import type { GroupView } from '../../../views/timer/queries.ts'
import type { Answer } from '../../lane.ts'
import { groupCounters } from '../../stats.ts'
import type { DispatchContext, DispatchedGroup } from '../context.ts'
import { Deal } from '../deals/deal.ts'
import { Flight } from '../deals/flight.ts'
import type { Window } from '../windows/window.ts'
import type { GroupLeases } from './group-leases.ts'
import type { GroupSessions } from './group-sessions.ts'
import type { LiveSession } from './live-session.ts'
import { Redeliveries } from './redeliveries.ts'

/** Deliver commands in flight: covers a commit's round trip at full entries. */
const FLIGHTS_MAX = 4
/**
 * A command with fewer messages waits for those in flight: it goes with what falls due meanwhile. Many small entries cost
 * every node more than they hasten (Nagle's rule, RFC 896).
 */
const SMALL_FLIGHT = 64
/** After a refused or stale command, ms. */
const RETRY_MS = 20
const NEVER = Number.POSITIVE_INFINITY

/** What a look at the group began from. */
interface Look {
  readonly window: Window
  readonly after: Position
  readonly now: number
  readonly mono: number
  readonly horizon: number
}

export class Deliveries {
  readonly #group: DispatchedGroup
  readonly #sessions: GroupSessions
  readonly #leases: GroupLeases
  readonly #context: DispatchContext
  readonly #redeliveries: Redeliveries
  readonly #wake: () => void
  #freshFlying = 0
  #flights = 0
  /** The cursor as the commands in flight will leave it. */
  #ahead: Position | undefined
  /** A command was refused: those behind it are stale, wait for them all. */
  #recovering = false
  #retryAt: number | undefined
  /** A small deal waits for those in flight. */
  #small = false
  #lastSeat = -1
  /** Messages dealt in this look. */
  #dealt = 0

  constructor(group: DispatchedGroup, sessions: GroupSessions, leases: GroupLeases, context: DispatchContext) {
    this.#group = group
    this.#sessions = sessions
    this.#leases = leases
    this.#context = context
    this.#redeliveries = new Redeliveries(group, context)
    this.#wake = () => context.wake(group)
  }

  get inFlight(): boolean {
    return this.#flights > 0
  }

  /** Nothing is on its way. */
  get idle(): boolean {
    return this.#flights === 0 && !this.#redeliveries.reading
  }

  /** Proposes what can be handed out now. */
  serve(group: GroupView, now: number, mono: number): void {
    this.#small = false
    this.#dealt = 0
    while (this.#deliverSome(group, now, mono)) {
      if (this.#dealt < ENTRY_MESSAGES_MAX) continue
      // Enough for one turn: the next command is made in another.
      this.#wake()
      break
    }
    if (!this.#small) this.#redeliveries.drop()
    if (this.#retryAt === undefined) this.#redeliveries.foresee(mono, this.#group.outlook)
    else if (this.#retryAt > mono) this.#group.outlook.atMono(this.#retryAt)
  }

  /** Nobody takes anything. */
  rest(): void {
    this.#redeliveries.drop()
    this.#context.memory.flights.forget(this.#wake)
  }

  #deliverSome(group: GroupView, now: number, mono: number): boolean {
    if (this.#blocked(mono)) return false
    const horizon = this.#context.horizon(now)
    const after = this.#ahead ?? group.cursor
    const { channel } = this.#group.name
    const look = { window: this.#context.windows(channel).use(this.#group, after), after, now, mono, horizon }
    const again = (group.nextReadyAt() ?? NEVER) <= now
    if (!again && look.window.nextDue(after) > horizon) {
      this.#readAhead(look.window, after, horizon)
      this.#foresee(group, after, look)
      return false
    }
    const waiting = again ? group.readyCount(now, ENTRY_MESSAGES_MAX) : 0
    const due = waiting + look.window.count(after, horizon).due
    const count = Math.min(ENTRY_MESSAGES_MAX, Math.max(1, due))
    const takers = this.#sessions.takers(group, count, this.#lastSeat)
    if (takers.length === 0) return false
    if (!this.#context.memory.flights.full) return this.#dealTo(new Deal(takers), group, look)
    this.#context.memory.flights.wait(this.#wake)
    return false
  }

  #blocked(mono: number): boolean {
    if (this.#flights >= FLIGHTS_MAX || this.#recovering) return true
    if (this.#retryAt === undefined) return false
    if (mono < this.#retryAt) return true
    this.#retryAt = undefined
    return false
  }

  #dealTo(deal: Deal<LiveSession>, group: GroupView, look: Look): boolean {
    const toCome = this.#redeliveries.deal(group, look, deal)
    const to = toCome ? look.after : this.#dealFresh(group, deal, look)
    if (deal.count === 0) {
      if (!toCome) this.#foresee(group, to, look)
      return false
    }
    if (this.#flights > 0 && deal.count < SMALL_FLIGHT) {
      // A flight that lands looks again, whatever falls due meanwhile; what is stored meanwhile may make it large enough.
      this.#small = true
      this.#group.outlook.hungryFor = NEVER
      return false
    }
    this.#dealt += deal.count
    this.#propose(new Flight(this.#group.name, look.after, to, deal))
    return true
  }

  /** Deals new messages in order; returns the new cursor. */
  #dealFresh(group: GroupView, deal: Deal<LiveSession>, { window, after, now, horizon }: Look): Position {
    const rest = OUTSTANDING_MAX - group.outstanding - group.cold(now) - this.#freshFlying
    let to = after
    let dealt = 0
    window.walk(after, (message) => {
      if (message.due > horizon || deal.room === 0 || dealt >= rest) return false
      deal.give(message, 'fresh')
      to = { due: message.due, index: message.index }
      dealt += 1
      return true
    })
    const wanting = dealt < rest && deal.room > 0
    if (wanting || !this.#context.memory.lookAhead.tight) this.#readAhead(window, to, horizon)
    return to
  }

  #readAhead(window: Window, cursor: Position, until: number): void {
    if (window.wantsFill(cursor, until)) this.#context.fill(this.#group.name.channel, window, cursor)
  }

  /** Runs again when the next message or redelivery is due, or one is stored that is due before. */
  #foresee(group: GroupView, cursor: Position, { window, now, horizon }: Look): void {
    const { outlook } = this.#group
    const nextDue = window.nextDue(cursor)
    outlook.hungryFor = nextDue
    outlook.heldBack = nextDue > horizon && nextDue <= now
    outlook.at(nextDue, now)
    outlook.at(group.nextReadyAt(), now)
  }

  #propose(flight: Flight): void {
    this.#flights += 1
    this.#ahead = flight.to
    this.#freshFlying += flight.freshCount
    this.#context.memory.flights.take(flight.bytes)
    this.#redeliveries.flies(flight.againIndexes())
    for (const { session, count } of flight.shares()) {
      // Commands that settle keep their order: it lands before what is delivered to it.
      session.attach()
      session.proposed += count
      this.#sessions.behind(session)
    }
    this.#lastSeat = flight.lastSeat
    this.#context.submit(flight.command(), (answer) => this.#landed(flight, answer))
  }

  #landed(flight: Flight, answer: Answer): void {
    this.#flights -= 1
    this.#freshFlying -= flight.freshCount
    this.#redeliveries.landed(flight.againIndexes())
    if (answer.type === 'reply' && answer.reply.type === 'delivered') this.#handOut(flight, answer.reply)
    else {
      this.#recovering = true
      this.#retryAt = this.#context.env.monoMs() + RETRY_MS
    }
    for (const { session, count } of flight.shares()) {
      session.proposed -= count
      this.#sessions.roomMade(session.id)
    }
    if (this.#flights === 0) {
      this.#ahead = undefined
      this.#recovering = false
    }
    this.#context.memory.flights.give(flight.bytes)
    this.#wake()
  }

  #handOut(flight: Flight, reply: Extract<TimerReply, { type: 'delivered' }>): void {
    const now = this.#context.clock.now()
    const counters = groupCounters(this.#context.counters, this.#group.name.group)
    for (const run of reply.runs) {
      const hand = flight.hand(run.session)
      assert(hand !== undefined, 'apply answers only runs that were proposed')
      this.#leases.granted(run.deadline, hand.session.leaseMs)
      const messages = flight.bodies(hand, run.items)
      for (const { due, count } of run.items) {
        counters.delivered += 1
        if (count > 1) counters.redelivered += 1
        if (count === 1 || due > now) this.#context.onLateness(now - due)
      }
      // What it took to store them is part of the leases: they began when they were asked for.
      const fromMs = Number.isFinite(run.deadline) ? run.deadline - hand.session.leaseMs : now
      // A stream that ended meanwhile keeps these leases as it keeps the others.
      if (messages.length > 0) hand.session.deliver(fromMs, flight.markOf(hand), messages)
    }
  }
}
