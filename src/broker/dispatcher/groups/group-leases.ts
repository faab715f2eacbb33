/**
 * How leases of one group end on the leader: by their deadline once the monotonic clock agrees (LeaseClock), or with
 * their session once its stream stayed away for its grace; those of a Pull only by their deadline. One `expire` command
 * in flight at a time.
 */
import type { GroupName, Held } from '../../../views/timer/commands.ts'
import type { GroupView } from '../../../views/timer/queries.ts'
import type { DispatchContext } from '../context.ts'
import { KeyedHeap } from '../keyed-heap.ts'
import type { Outlook } from '../outlook.ts'
import { LeaseClock } from './lease-clock.ts'

/** One `expire` command; what is left is seen when it has landed. */
const EXPIRE_MAX = 1024
/** Sessions that are detached in one look; the others at the next. */
const DETACH_MAX = 128
/** After a refused command, ms. */
const RETRY_MS = 50
const NEVER = Number.POSITIVE_INFINITY

export class GroupLeases {
  readonly #name: GroupName
  readonly #context: DispatchContext
  readonly #wake: () => void
  readonly #clock: LeaseClock
  /** Sessions without a stream, and the monotonic time at which they are detached. */
  #absent = new KeyedHeap<string, number>(isLess)
  /** Sessions of Pulls that were answered: they are detached when their last lease has ended. */
  readonly #pulls = new Set<string>()
  /** Those of them of which leases have ended since the last look, or that are new. */
  readonly #lessLeased = new Set<string>()
  /** Sessions whose detach command is on its way, and that have not come back meanwhile. */
  readonly #detaching = new Set<string>()
  #expiring = false
  #retryAt = 0
  /** Monotonic time at which the first lease past its deadline may end. */
  #heldUntil = NEVER

  constructor(name: GroupName, context: DispatchContext, wake: () => void) {
    this.#name = name
    this.#context = context
    this.#wake = wake
    this.#clock = new LeaseClock(context.takeOver)
  }

  /** This leader applied a deliver or extend that gave `deadline`. */
  granted(deadline: number, leaseMs: number): void {
    this.#clock.granted(deadline, leaseMs, this.#context.env.monoMs())
  }

  gone(session: string, graceMs: number): void {
    this.#awayUntil(session, this.#context.env.monoMs() + graceMs)
  }

  /** The session of a Pull whose leases run to their end, whoever leads. */
  outlives(session: string): void {
    this.#pulls.add(session)
    this.#lessLeased.add(session)
  }

  /** Leases of the session ended in what was applied. */
  ended(session: string): void {
    if (this.#pulls.has(session)) this.#lessLeased.add(session)
  }

  returned(session: string): void {
    this.#absent.delete(session)
    this.#detaching.delete(session)
  }

  /** No session is left whose end it watches. */
  get idle(): boolean {
    const none = this.#absent.size === 0 && this.#detaching.size === 0 && this.#pulls.size === 0
    return none && !this.#expiring
  }

  /** The group does not exist, and so none of its sessions. */
  clear(): void {
    this.#absent = new KeyedHeap(isLess)
    this.#pulls.clear()
    this.#lessLeased.clear()
  }

  run(group: GroupView, now: number, mono: number): void {
    this.#endPulls(group)
    this.#detachAbsent(group, mono)
    this.#heldUntil = NEVER
    this.#clock.forgetBefore(group.nextDeadline())
    if (this.#expiring || mono < this.#retryAt) return
    const items: (Held & { deadline: number })[] = []
    for (const lease of group.expired(now, EXPIRE_MAX)) {
      const end = this.#clock.endOf(lease)
      if (end <= mono) items.push({ index: lease.index, fence: lease.fence, deadline: lease.deadline })
      else this.#heldUntil = Math.min(end, this.#heldUntil)
    }
    if (items.length > 0) this.#expire(items)
  }

  /** When a lease or a grace may end by time. */
  foresee(group: GroupView, now: number, mono: number, outlook: Outlook): void {
    outlook.atMono(this.#absent.firstKey ?? NEVER)
    if (this.#expiring) return
    outlook.at(group.nextDeadline(), now)
    outlook.atMono(this.#heldUntil)
    if (mono < this.#retryAt) outlook.atMono(this.#retryAt)
  }

  #expire(items: readonly (Held & { deadline: number })[]): void {
    this.#expiring = true
    this.#context.submit({ type: 'expire', ...this.#name, items }, (answer) => {
      this.#expiring = false
      if (answer.type === 'failed') this.#retryAt = this.#context.env.monoMs() + RETRY_MS
      this.#wake()
    })
  }

  #endPulls(group: GroupView): void {
    for (const session of this.#lessLeased) {
      const leased = group.leasedBy(session)
      if (leased !== undefined && leased > 0) continue
      this.#pulls.delete(session)
      if (leased !== undefined) this.gone(session, 0)
    }
    this.#lessLeased.clear()
  }

  #detachAbsent(group: GroupView, mono: number): void {
    for (let left = DETACH_MAX; left > 0; left--) {
      const { first: session, firstKey: at = NEVER } = this.#absent
      if (session === undefined || at > mono) return
      this.#absent.delete(session)
      // It was refused when it came: there is nothing to end.
      if (group.leasedBy(session) === undefined) continue
      this.#detaching.add(session)
      this.#context.submit({ type: 'detach', ...this.#name, session }, (answer) => {
        const away = this.#detaching.delete(session)
        if (away && answer.type === 'failed') this.#awayUntil(session, this.#context.env.monoMs() + RETRY_MS)
        this.#wake()
      })
    }
  }

  #awayUntil(session: string, mono: number): void {
    this.#absent.set(session, mono)
  }
}

function isLess(a: number, b: number): boolean {
  return a < b
}
