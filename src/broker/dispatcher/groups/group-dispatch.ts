/**
 * One group on the leader: who is attached to it, and what is done for it when it is looked at: leases that end, messages
 * that go out, sessions that hear that it has caught up.
 */
import { SandglassError } from '../../../base/errors.ts'
import type { GroupName } from '../../../views/timer/commands.ts'
import type { GroupView, SessionInfo } from '../../../views/timer/queries.ts'
import type { DispatchContext, DispatchedGroup } from '../context.ts'
import { Outlook } from '../outlook.ts'
import { Deliveries } from './deliveries.ts'
import { GroupLeases } from './group-leases.ts'
import { GroupSessions } from './group-sessions.ts'
import type { LiveSession } from './live-session.ts'
import { isPullConsumer } from './pull-name.ts'

/** Sessions that hear in one look that the group has caught up: each is a frame. */
const TOLD_AT_ONCE = 128
/** Between two looks of a group that waits for memory only to say that it has caught up: there may be a thousand. */
const SCARCE_MS = 1000

export class GroupDispatch implements DispatchedGroup {
  readonly name: GroupName
  readonly outlook = new Outlook()
  readonly #context: DispatchContext
  readonly #wake: () => void
  /** Sessions that are about to join or of which attach commands are on their way, and how often. */
  readonly #attaching = new Map<string, number>()
  readonly #sessions = new GroupSessions(this.#attaching)
  readonly #leases: GroupLeases
  readonly #deliveries: Deliveries
  #seats = 0

  constructor(name: GroupName, context: DispatchContext) {
    this.name = name
    this.#context = context
    this.#wake = () => context.wake(this)
    this.#leases = new GroupLeases(name, context, this.#wake)
    this.#deliveries = new Deliveries(this, this.#sessions, this.#leases, context)
  }

  /** Nobody is attached or about to be, and nothing is on its way: the dispatcher need not know it. */
  get idle(): boolean {
    return this.#sessions.size === 0 && this.#attaching.size === 0 && this.#leases.idle && this.#deliveries.idle
  }

  nextSeat(): number {
    this.#seats += 1
    return this.#seats
  }

  /** The session may be given more than before. */
  roomMade(session: string): void {
    this.#sessions.roomMade(session)
    this.#wake()
  }

  /** Leases of the session ended in what was applied. */
  leasesEnded(session: string): void {
    this.#leases.ended(session)
    this.roomMade(session)
  }

  /** An extend was applied. */
  extended(deadline: number, leaseMs: number): void {
    this.#leases.granted(deadline, leaseMs)
  }

  /** It is about to join, or its attach command is on its way: no grace may end it behind that. `answered` follows. */
  attaching(session: string): void {
    this.#attaching.set(session, 1 + (this.#attaching.get(session) ?? 0))
    this.#leases.returned(session)
  }

  /** What `attaching` was called for was answered, whichever way: an older stream that was to give way may go on. */
  answered(session: string): void {
    const others = (this.#attaching.get(session) ?? 0) - 1
    if (others > 0) this.#attaching.set(session, others)
    else this.#attaching.delete(session)
    this.roomMade(session)
  }

  /** The session is attached and its stream open, or it is a Pull that waits. An older stream of the same session gives way. */
  add(session: LiveSession): LiveSession | undefined {
    const older = this.#sessions.add(session)
    this.#leases.returned(session.id)
    this.#wake()
    return older
  }

  /** Its stream is gone. `clean`: it gave everything back, so that its leases end now. */
  remove(session: Pick<LiveSession, 'id'>, clean: boolean): void {
    const other = this.#sessions.get(session.id)
    if (other !== undefined && other !== session) return
    this.#sessions.delete(session.id)
    // What the session holds is that of the stream which is being attached.
    if (!this.#attaching.has(session.id)) this.#leases.gone(session.id, clean ? 0 : this.#context.config.reattachMs)
    this.#wake()
  }

  /** A Pull that is not attached is over: nothing is left of it to be ended. */
  forgetPull(session: Pick<LiveSession, 'id'>): void {
    this.#sessions.delete(session.id)
    this.#wake()
  }

  /** A Pull that was attached is over. `kept`: it was answered, and its leases run to their end. */
  removePull(session: Pick<LiveSession, 'id'>, kept: boolean): void {
    this.#sessions.delete(session.id)
    if (kept) this.#leases.outlives(session.id)
    else this.#leases.gone(session.id, 0)
    this.#wake()
  }

  /** A session that an earlier leader knew: its stream has reattachMs to come back, a Pull has none. */
  inherit({ session, consumer }: SessionInfo): void {
    if (isPullConsumer(consumer)) this.#leases.outlives(session)
    else this.#leases.gone(session, this.#context.config.reattachMs)
  }

  /** A newer session of the same consumer took its place and its leases returned. */
  replaced(session: string): void {
    const found = this.#sessions.delete(session)
    found?.end(new SandglassError('SESSION_REPLACED', 'Cannot go on: a newer session of this consumer is attached'))
    this.#leases.returned(session)
  }

  /** The leadership is over: every stream ends with `error`. */
  stop(error: SandglassError): void {
    for (const session of this.#sessions.all()) session.end(error)
    this.#deliveries.rest()
  }

  /** Looks at everything that can be done for the group now. */
  run(now: number): void {
    const { env, handle, windows } = this.#context
    const group = handle.view.group(this.name)
    // Read once: what is too early for one part of the look would be too late for another to wait for.
    const mono = env.monoMs()
    this.outlook.reset()
    if (group === undefined) {
      this.#leases.clear()
      return
    }
    this.#leases.run(group, now, mono)
    if (this.#sessions.size > 0) {
      this.#deliveries.serve(group, now, mono)
      this.#noteCaughtUp(group, now, mono)
    } else {
      this.#deliveries.rest()
      if (!this.#deliveries.inFlight) windows(this.name.channel).leave(this)
    }
    this.#leases.foresee(group, now, mono, this.outlook)
  }

  #noteCaughtUp(group: GroupView, now: number, mono: number): void {
    if (this.#deliveries.inFlight || !this.#sessions.curious) return
    const { horizon, memory, windows, fill } = this.#context
    const { cursor } = group
    const window = windows(this.name.channel).use(this, cursor)
    if (!window.knows(cursor)) {
      // While memory is scarce only those read who can take what they find; nobody tells when it is scarce no more.
      if (memory.lookAhead.tight) this.outlook.atMono(mono + SCARCE_MS)
      else if (window.wantsFill(cursor, now)) fill(this.name.channel, window, cursor)
    }
    const nextReady = group.nextReadyAt()
    if (window.nextDue(cursor) <= now || (nextReady !== undefined && nextReady <= now)) return
    this.#sessions.caughtUp(horizon(now), TOLD_AT_ONCE)
    if (this.#sessions.curious) this.#wake()
  }
}
