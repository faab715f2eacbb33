/**
 * Redeliveries of one group that are due. Their bodies lie in the store: they are read first and leased then, so that no
 * lease is granted for a body that cannot be read. What damage took is passed over; the replica hears of the damage from
 * its store (decision 008) and gives its leadership up, or, alone in its group, goes on with the rest.
 */
import { SandglassError } from '../../../base/errors.ts'
import { MESSAGE_BYTES_MAX } from '../../../base/limits.ts'
import type { GroupView, Waiting } from '../../../views/timer/queries.ts'
import { type DispatchContext, type DispatchedGroup, READ_RETRY_MS } from '../context.ts'
import type { Deal } from '../deals/deal.ts'
import type { Shrinkable } from '../memory/look-ahead-budget.ts'
import type { Outlook } from '../outlook.ts'
import { Pins } from '../windows/pins.ts'
import type { LiveSession } from './live-session.ts'

/** One read: with a message of full size on top what a deal takes at most. */
const READ_MESSAGES = 512
const READ_BYTES = 2 * MESSAGE_BYTES_MAX
const RESERVED_BYTES = READ_BYTES + MESSAGE_BYTES_MAX
/** Messages passed over: each run looks past all of them. */
const UNREADABLE_MAX = 4096

export class Redeliveries implements Shrinkable {
  readonly #group: DispatchedGroup
  readonly #context: DispatchContext
  /** Named by commands that are on their way. */
  readonly #flying = new Set<number>()
  readonly #unreadable = new Set<number>()
  /** Read and not yet dealt, by index. */
  readonly #bodies = new Map<number, Uint8Array>()
  readonly #pins = new Pins()
  /** What the node's look-ahead was charged for them. */
  #charged = 0
  #reading = false
  #pausedUntil = 0

  constructor(group: DispatchedGroup, context: DispatchContext) {
    this.#group = group
    this.#context = context
  }

  /** Of the bodies at hand. */
  get cost(): number {
    return this.#charged
  }

  get reading(): boolean {
    return this.#reading
  }

  /** When what could not be read is looked past again: nothing else may tell of what is due behind it. */
  foresee(mono: number, outlook: Outlook): void {
    if (mono < this.#pausedUntil) outlook.atMono(this.#pausedUntil)
    else if (this.#unreadable.size > 0) outlook.atMono(mono + READ_RETRY_MS)
  }

  /**
   * Deals what is due and at hand, and has the rest read. True: some are still to come, and nothing new goes before them.
   */
  deal(group: GroupView, { now, mono }: { now: number; mono: number }, deal: Deal<LiveSession>): boolean {
    if (mono < this.#pausedUntil) return false
    if (group.thaws(now)) {
      this.#read(() => this.#thaw(group, now))
      return true
    }
    const wanted: Waiting[] = []
    for (const waiting of group.ready(now, deal.room + this.#flying.size + this.#unreadable.size)) {
      if (deal.room <= wanted.length) break
      if (this.#flying.has(waiting.index) || this.#unreadable.has(waiting.index)) continue
      const body = this.#bodies.get(waiting.index)
      if (body === undefined) wanted.push(waiting)
      else if (wanted.length === 0) deal.give({ due: waiting.due, index: waiting.index, body }, 'again')
    }
    if (wanted.length === 0 || this.#unreadable.size >= UNREADABLE_MAX) return false
    this.#read(() => this.#readBodies(wanted.slice(0, READ_MESSAGES)))
    return true
  }

  flies(indexes: Iterable<number>): void {
    for (const index of indexes) {
      this.#flying.add(index)
      this.#forget(index)
    }
    this.#charge()
  }

  landed(indexes: Iterable<number>): void {
    for (const index of indexes) this.#flying.delete(index)
  }

  /** Nobody takes what is at hand: it is read again when somebody does. */
  drop(): void {
    for (const index of this.#bodies.keys()) this.#forget(index)
    this.#charge()
  }

  /** Memory is wanted for others: the flight that these wait for will have them read again. */
  shrink(): void {
    this.drop()
  }

  /** One read at a time; the group looks again when it has ended. */
  #read(read: () => Promise<void>): void {
    if (this.#reading) return
    this.#reading = true
    const { memory, wake, stopped } = this.#context
    void memory.reads
      .run(async () => {
        memory.lookAhead.reserve(RESERVED_BYTES)
        try {
          if (!stopped()) await read()
        } finally {
          memory.lookAhead.release(RESERVED_BYTES)
        }
      })
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#reading = false
        if (stopped()) this.drop()
        wake(this.#group)
      })
  }

  async #readBodies(positions: readonly Waiting[]): Promise<void> {
    const { view, reader } = this.#context.handle
    const bodies = await view.bodies(reader, this.#group.name.channel, positions, READ_BYTES)
    let damage: Error | undefined
    for (const [i, body] of bodies.entries()) {
      const index = positions[i]?.index ?? 0
      if (body instanceof Error) {
        damage ??= body
        this.#unreadable.add(index)
      } else {
        this.#forget(index)
        this.#bodies.set(index, body)
        this.#pins.hold(body)
      }
    }
    this.#charge()
    if (damage !== undefined) this.#context.onReadFailure(damage)
  }

  async #thaw(group: GroupView, now: number): Promise<void> {
    await group.thaw(this.#context.handle.reader, now)
  }

  #forget(index: number): void {
    const body = this.#bodies.get(index)
    if (body === undefined) return
    this.#bodies.delete(index)
    this.#pins.release(body)
  }

  #charge(): void {
    const by = this.#pins.bytes - this.#charged
    if (by === 0) return
    this.#charged += by
    this.#context.memory.lookAhead.changed(this, by)
  }

  #failed(error: unknown): void {
    if (!(error instanceof SandglassError)) throw error
    this.#pausedUntil = this.#context.env.monoMs() + READ_RETRY_MS
    this.#context.onReadFailure(error)
  }
}
