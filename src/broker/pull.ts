/**
 * One Pull on one partition of this leader: a session of a consumer that takes one handful of messages and goes. It joins
 * a group that exists by a confirmed read, so that it knows what was committed before it, and is attached right before
 * its first deliver command: one that finds nothing stores nothing. A group that does not exist is attached to at once,
 * which fixes its start. Its leases run to their end; the session goes with the last of them. Invariant: what is leased
 * to it is handed to `done`, or returns at once. `done` is called exactly once.
 */
import type { SandglassError } from '../base/errors.ts'
import type { GroupName, GroupStart, TimerCommand } from '../views/timer/commands.ts'
import type { DeliveredMessage, LiveSession } from './dispatcher/groups/live-session.ts'
import { pullConsumer } from './dispatcher/groups/pull-name.ts'
import type { Answer } from './lane.ts'
import { attachRefusal } from './session.ts'
import type { SessionHost } from './session-host.ts'

export interface PullSpec extends GroupName {
  readonly consumer: string
  /** 32 hex digits, never used before. */
  readonly session: string
  readonly leaseMs: number
  /** Messages at most. */
  readonly max: number
  readonly start: GroupStart
  /** Ends without messages as soon as nothing is due. */
  readonly impatient: boolean
  /** Pulls of which only one may take messages; one of its own by default. */
  readonly turn?: PullTurn
}

export interface Pulled {
  /** Leader's time, ms; 0 without messages. */
  readonly deliveredMs: number
  readonly leaseMs: number
  readonly messages: readonly DeliveredMessage[]
}

export type PullOutcome =
  | ({ readonly type: 'pulled' } & Pulled)
  | { readonly type: 'failed'; readonly error: SandglassError }

/** Pulls on several partitions that stand for one request: while one takes messages the others must not. */
export class PullTurn {
  readonly #pulls: Pull[] = []
  #holder: Pull | undefined

  join(pull: Pull): void {
    this.#pulls.push(pull)
  }

  freeFor(pull: Pull): boolean {
    return this.#holder === undefined || this.#holder === pull
  }

  take(pull: Pull): void {
    this.#holder = pull
  }

  /** Nothing came of it: the others may. */
  giveBack(pull: Pull): void {
    if (this.#holder !== pull) return
    this.#holder = undefined
    for (const pull of this.#pulls) pull.wake()
  }

  /** One was answered: the others have nothing to wait for. */
  over(): void {
    for (const pull of this.#pulls) pull.finish()
  }
}

export class Pull implements LiveSession {
  readonly id: string
  /** There is no stream to mark: the caller counts from its request. */
  readonly mark = 0
  readonly leaseMs: number
  readonly seat: number
  readonly credit: number
  readonly #spec: PullSpec
  readonly #host: SessionHost
  readonly #turn: PullTurn
  readonly #done: (outcome: PullOutcome) => void
  #state: 'joining' | 'live' | 'ended' = 'joining'
  /** `asked`: its attach command is on its way, `made`: that was applied. */
  #attachment: 'none' | 'asked' | 'made' = 'none'
  #proposed = 0
  #finishing = false

  constructor(spec: PullSpec, host: SessionHost, done: (outcome: PullOutcome) => void) {
    this.id = spec.session
    this.leaseMs = spec.leaseMs
    this.credit = spec.max
    this.#spec = spec
    this.#host = host
    this.#done = done
    this.#turn = spec.turn ?? new PullTurn()
    this.#turn.join(this)
    this.seat = host.group.nextSeat()
    if (host.known()) {
      host.group.attaching(this.id)
      host.read((refusal) => this.#confirmed(refusal))
    } else this.attach()
  }

  /** `done` has been called. */
  get over(): boolean {
    return this.#state === 'ended'
  }

  get attached(): boolean {
    return this.#attachment !== 'none'
  }

  attach(): void {
    if (this.attached) return
    this.#attachment = 'asked'
    const { channel, group, session, start } = this.#spec
    const consumer = pullConsumer(this.#spec.consumer, session)
    this.#host.group.attaching(session)
    const command: TimerCommand = { type: 'attach', channel, group, consumer, session, start }
    // One that waits for a new group fixes where that begins, whatever becomes of it.
    const wanted = this.#state === 'live' ? () => this.#state === 'live' : undefined
    this.#host.submit(command, (answer) => this.#attachAnswered(answer), wanted)
  }

  get proposed(): number {
    return this.#proposed
  }

  /** Falls to 0 when a command has landed, after what it delivered was handed out. */
  set proposed(count: number) {
    this.#proposed = count
    if (this.#state !== 'live') return
    if (count > 0) this.#turn.take(this)
    else {
      this.#turn.giveBack(this)
      if (this.#finishing) this.#end(NOTHING, false)
    }
  }

  /** One command at a time: what it delivers is the answer. */
  writable(): boolean {
    return this.#state === 'live' && !this.#finishing && this.#proposed === 0 && this.#turn.freeFor(this)
  }

  deliver(deliveredMs: number, _mark: number, messages: readonly DeliveredMessage[]): void {
    // Nobody waits any more: its session is detached, and these return with it.
    if (this.#state !== 'live') return
    this.#end({ type: 'pulled', deliveredMs, leaseMs: this.leaseMs, messages }, true)
    this.#turn.over()
  }

  caughtUp(): void {
    if (this.#spec.impatient) this.finish()
  }

  /** It may be given messages again. */
  wake(): void {
    if (this.#state === 'live') this.#host.group.roomMade(this.id)
  }

  /** The wait is over: `done` gets what is on its way, or nothing. */
  finish(): void {
    this.#finishing = true
    if (this.#state !== 'ended' && this.#proposed === 0) this.#end(NOTHING, false)
  }

  /** Nobody waits any more, or the leadership is over. */
  end(error: SandglassError): void {
    this.#end({ type: 'failed', error }, false)
  }

  /** What was committed before it came is applied. */
  #confirmed(refusal: SandglassError | undefined): void {
    this.#host.group.answered(this.id)
    if (this.#state === 'ended') return
    if (refusal !== undefined) this.end(refusal)
    else if (!this.#host.current()) this.end(this.#host.notLeader())
    else if (this.#host.known()) this.#join()
    else this.attach()
  }

  #attachAnswered(answer: Answer): void {
    this.#host.group.answered(this.id)
    const attached = answer.type === 'reply' && answer.reply.type === 'attached'
    this.#attachment = attached ? 'made' : 'none'
    // It ended meanwhile: what was leased to it returns now, and nobody looks after what was not attached.
    if (this.#state === 'ended') this.#leave(false)
    else if (!attached) this.end(attachRefusal(answer))
    else if (this.#host.current()) this.#join()
    else this.end(this.#host.notLeader())
  }

  #join(): void {
    this.#state = 'live'
    this.#host.group.add(this)
  }

  /** `kept`: it has leases, which outlive it. */
  #end(outcome: PullOutcome, kept: boolean): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#leave(kept)
    if (!kept) this.#turn.giveBack(this)
    this.#done(outcome)
  }

  #leave(kept: boolean): void {
    const { group } = this.#host
    if (this.#attachment === 'none') group.forgetPull(this)
    else if (this.#attachment === 'made') group.removePull(this, kept)
    // Else the answer to its attach command is waited for: no detach may go before it is known to be needed.
  }
}

const NOTHING: PullOutcome = { type: 'pulled', deliveredMs: 0, leaseMs: 0, messages: [] }
