/**
 * A stretch of one channel's messages in memory, ahead of the cursors that read it. Invariants: every live message with a
 * position in (low, high] is in the list, `high` END means all there are; no message behind `high` is due before
 * `beyond`. Fed by apply's effects; what it gave up at its bound or the node's it reads again from the store.
 */
import { DUE_MS_MAX } from '../../../base/limits.ts'
import { unpinned } from '../../../base/pinned.ts'
import type { Position } from '../../../views/timer/commands.ts'
import type { LookAheadBudget, Shrinkable } from '../memory/look-ahead-budget.ts'
import { comparePositions, type KnownMessage, SortedMessages } from './sorted-messages.ts'

/** What the windows of a channel read from. */
export interface Source {
  /** Reads messages of the channel in (after, END], ascending, consistent as of some moment after the call. */
  scan(after: Position): Promise<readonly KnownMessage[]>
  /** Leader time, ms. */
  now(): number
  readonly budget: LookAheadBudget
}

/** At or behind every position. */
export const END: Position = { due: DUE_MS_MAX, index: Number.MAX_SAFE_INTEGER }

export const WINDOW_MESSAGES_MAX = 8192
/** Fewer known ahead than this, and not all there are: read on. */
const REFILL_BELOW = 2048
/** Buffers may hold so much more than twice the bodies: what is due at once is mostly gone before a copy pays. */
const PINNED_SPARE = 256 * 1024
/** A window with no more messages than this gives up all of them at once. */
const SHRINK_WHOLE = 32

export class Window implements Shrinkable {
  readonly #source: Source
  readonly #messages = new SortedMessages()
  #low: Position
  #high: Position
  /** Infinity: there is nothing behind `high`. */
  #beyond: number
  /** New messages beyond `high` while a scan runs that may not see them. */
  #arrivals: Window | undefined
  #cost = 0
  #closed = false
  /** A read failed a moment ago. */
  paused = false

  /** Knows nothing yet, unless `high` says that there is nothing else after `low`. */
  constructor(low: Position, source: Source, high: Position = low) {
    this.#low = low
    this.#high = high
    this.#beyond = high === END ? Number.POSITIVE_INFINITY : low.due
    this.#source = source
  }

  get complete(): boolean {
    return this.#high === END
  }

  get cost(): number {
    return this.#cost
  }

  /** True when everything right behind `cursor` is known, at least up to `high`. */
  covers(cursor: Position): boolean {
    return comparePositions(this.#low, cursor) <= 0 && comparePositions(cursor, this.#high) <= 0
  }

  /** Whether it knows what comes next after `cursor`, be it nothing. */
  knows(cursor: Position): boolean {
    return this.complete || this.#messages.countAfter(cursor) > 0
  }

  /** Whether it would take note of a message that is due then. */
  minds(due: number): boolean {
    return due <= this.#high.due || due < this.#beyond || this.filling
  }

  /** The applied log stored a message. */
  stored(message: KnownMessage): void {
    if (comparePositions(message, this.#high) > 0) {
      this.#beyond = Math.min(this.#beyond, message.due)
      this.#arrivals?.stored(message)
      return
    }
    if (comparePositions(message, this.#low) <= 0) return
    this.#add(message)
    this.#settle()
  }

  /** Nobody reads up to `to` any more. */
  release(to: Position): void {
    if (comparePositions(to, this.#low) <= 0) return
    this.#low = to
    if (comparePositions(this.#high, to) < 0) this.#high = to
    this.#messages.dropThrough(to)
    this.#charge()
  }

  /** Messages after `after`, ascending, until `visit` says false or knowledge ends. */
  walk(after: Position, visit: (message: KnownMessage) => boolean): void {
    this.#messages.walk(after, visit)
  }

  /** When the first message after `after` is due, or a time before it if that is not known; Infinity: there is none. */
  nextDue(after: Position): number {
    let due = this.#beyond
    this.#messages.walk(after, (message) => {
      due = message.due
      return false
    })
    return due
  }

  /** How many known ones after `after` are due by `now`, and how many are not. */
  count(after: Position, now: number): { due: number; scheduled: number } {
    const all = this.#messages.countAfter(after)
    const scheduled = now < after.due ? all : this.#messages.countAfter({ due: now, index: Number.MAX_SAFE_INTEGER })
    return { due: all - scheduled, scheduled }
  }

  get filling(): boolean {
    return this.#arrivals !== undefined
  }

  /**
   * Whether a reader at `cursor` should have more read: ahead of need while there is room, else when nothing is left (what is
   * read into a full window is given up at once); once the node's memory is scarce only what it needs by `until`.
   */
  wantsFill(cursor: Position, until: number): boolean {
    if (this.complete || this.filling || this.paused) return false
    const ahead = this.#messages.countAfter(cursor)
    if (this.#source.budget.tight) return ahead === 0 && this.#beyond <= until
    return ahead === 0 || (ahead < REFILL_BELOW && !this.#crowded)
  }

  /**
   * Reads on from `high` for a reader at `cursor`. A window half full of what only slower readers need gives that up:
   * they get a window of their own. Rejects when the store cannot be read.
   */
  async fill(cursor: Position): Promise<void> {
    if (this.#crowded) this.release(cursor)
    const from = this.#high
    const arrivals = new Window(from, this.#source, END)
    this.#arrivals = arrivals
    try {
      const read = await this.#source.scan(from)
      // What was given up meanwhile moved `high` back: what was read would leave a hole.
      if (this.#closed || comparePositions(this.#high, from) < 0) return
      // Only an answer without messages proves the end; a short one may have met its byte limit.
      const last = read.at(-1)
      this.#high = last === undefined ? END : later(placeOf(last), this.#low)
      this.#beyond = last === undefined ? Number.POSITIVE_INFINITY : last.due
      for (const message of read) if (comparePositions(message, this.#low) > 0) this.#add(message)
      this.#adopt(arrivals)
      arrivals.close()
      this.#settle()
    } finally {
      arrivals.close()
      this.#arrivals = undefined
    }
  }

  /** Half full: what is read for one reader finds room. */
  get #crowded(): boolean {
    return this.#messages.count * 2 > WINDOW_MESSAGES_MAX || this.#cost * 2 > this.#source.budget.windowBytesMax
  }

  /** Gives up buffers that are hardly used, else the later half of its messages. */
  shrink(): void {
    if (this.#messages.pinned > 2 * this.#messages.bytes) this.#messages.unpin()
    else {
      const { count } = this.#messages
      for (let keep = count <= SHRINK_WHOLE ? 0 : count >> 1; this.#messages.count > keep; ) this.#dropLast()
    }
    this.#charge()
  }

  /** Nobody reads it any more. */
  close(): void {
    this.#closed = true
    this.#messages.dropThrough(END)
    this.#charge()
    this.#arrivals?.close()
  }

  /** One that waits stays here when those that came with it have gone: it must not hold what they all were cut from. */
  #add(message: KnownMessage): void {
    const waits = message.due > this.#source.now()
    this.#messages.add(waits ? { ...message, body: unpinned(message.body) } : message)
  }

  #adopt(arrivals: Window): void {
    if (comparePositions(arrivals.#high, this.#high) < 0) this.#high = later(arrivals.#high, this.#low)
    this.#beyond = Math.min(this.#beyond, arrivals.#beyond)
    arrivals.#messages.walk(this.#low, (message) => {
      if (comparePositions(message, this.#high) > 0) {
        this.#beyond = Math.min(this.#beyond, message.due)
        return false
      }
      this.#messages.add(message)
      return true
    })
    // The scan may have read past where the knowledge of arrivals ends.
    while (comparePositions(this.#messages.last ?? this.#low, this.#high) > 0) this.#forgetLast()
  }

  /** Keeps the nearest ones within the bounds; the others are read again when their time comes. */
  #settle(): void {
    if (this.#messages.pinned > 2 * this.#messages.bytes + PINNED_SPARE) this.#messages.unpin()
    const { windowBytesMax } = this.#source.budget
    while (this.#messages.count > WINDOW_MESSAGES_MAX || this.#messages.cost > windowBytesMax) {
      if (this.#messages.count === 1) break
      this.#dropLast()
    }
    this.#charge()
  }

  #dropLast(): void {
    this.#forgetLast()
    const { last } = this.#messages
    this.#high = last === undefined ? this.#low : placeOf(last)
  }

  #forgetLast(): void {
    const dropped = this.#messages.dropLast()
    if (dropped !== undefined) this.#beyond = Math.min(this.#beyond, dropped.due)
  }

  #charge(): void {
    const by = this.#messages.cost - this.#cost
    if (by === 0) return
    this.#cost += by
    this.#source.budget.changed(this, by)
  }
}

/** Without the body, which must not stay for the sake of its place. */
function placeOf({ due, index }: Position): Position {
  return { due, index }
}

function later(a: Position, b: Position): Position {
  return comparePositions(a, b) < 0 ? b : a
}
