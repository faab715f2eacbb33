/**
 * A stretch of one channel's messages in memory, ahead of the cursors that read it. Invariant: every live message with a
 * position in (low, high] is in the list; `high` END means all there are. Fed by apply's effects; what it had to drop at
 * its bound it reads again from the store.
 */
import { DUE_MS_MAX } from '../../base/limits.ts'
import { unpinned } from '../../base/pinned.ts'
import type { Position } from '../../views/timer/commands.ts'
import { comparePositions, type KnownMessage, SortedMessages } from './sorted-messages.ts'

/** What the windows of a channel read from. */
export interface Source {
  /** Reads messages of the channel in (after, END], ascending, consistent as of the call. */
  scan(after: Position): Promise<readonly KnownMessage[]>
  /** Leader time, ms. */
  now(): number
}

/** At or behind every position. */
export const END: Position = { due: DUE_MS_MAX, index: Number.MAX_SAFE_INTEGER }

/** Enough for several full entries in flight; more would only pin bodies. */
export const WINDOW_MESSAGES_MAX = 8192
export const WINDOW_BYTES_MAX = 16 * 1024 * 1024
/** Fewer known ahead than this, and not all there are: read on. */
const REFILL_BELOW = 2048

export class Window {
  readonly #source: Source
  readonly #messages = new SortedMessages()
  #low: Position
  #high: Position
  /** New messages beyond `high` while a scan runs that cannot see them. */
  #arrivals: Window | undefined

  /** Knows nothing yet, unless `high` says that there is nothing else after `low`. */
  constructor(low: Position, source: Source, high: Position = low) {
    this.#low = low
    this.#high = high
    this.#source = source
  }

  get complete(): boolean {
    return this.#high === END
  }

  /** True when everything right behind `cursor` is known, at least up to `high`. */
  covers(cursor: Position): boolean {
    return comparePositions(this.#low, cursor) <= 0 && comparePositions(cursor, this.#high) <= 0
  }

  /** The applied log stored a message. */
  stored(message: KnownMessage): void {
    if (comparePositions(message, this.#high) > 0) {
      this.#arrivals?.stored(message)
      return
    }
    if (comparePositions(message, this.#low) <= 0) return
    this.#add(message)
    this.#trim()
  }

  /** Nobody reads up to `to` any more. */
  release(to: Position): void {
    if (comparePositions(to, this.#low) <= 0) return
    this.#low = to
    if (comparePositions(this.#high, to) < 0) this.#high = to
    this.#messages.dropThrough(to)
  }

  /** Messages after `after`, ascending, until `visit` says false or knowledge ends. */
  walk(after: Position, visit: (message: KnownMessage) => boolean): void {
    this.#messages.walk(after, visit)
  }

  /** Due time of the first known message after `after`. */
  nextDue(after: Position): number | undefined {
    let due: number | undefined
    this.#messages.walk(after, (message) => {
      due = message.due
      return false
    })
    return due
  }

  /** How many known ones after `after` are due by `now`, and how many are not. */
  count(after: Position, now: number): { due: number; scheduled: number } {
    let due = 0
    let all = 0
    this.#messages.walk(after, (message) => {
      all += 1
      if (message.due <= now) due += 1
      return true
    })
    return { due, scheduled: all - due }
  }

  get filling(): boolean {
    return this.#arrivals !== undefined
  }

  /** Whether a reader at `cursor` should have more read. */
  wantsFill(cursor: Position): boolean {
    if (this.complete || this.filling) return false
    return this.#messages.countAfter(cursor) < REFILL_BELOW
  }

  /**
   * Reads on from `high` for a reader at `cursor`. A window half full of what only slower readers need gives that up:
   * they get a window of their own. Rejects when the store cannot be read.
   */
  async fill(cursor: Position): Promise<void> {
    const crowded = this.#messages.count * 2 > WINDOW_MESSAGES_MAX || this.#messages.bytes * 2 > WINDOW_BYTES_MAX
    if (crowded) this.release(cursor)
    const from = this.#high
    const arrivals = new Window(from, this.#source, END)
    this.#arrivals = arrivals
    try {
      const read = await this.#source.scan(from)
      // A trim meanwhile moved `high` back: what was read would leave a hole.
      if (comparePositions(this.#high, from) < 0) return
      // Only an answer without messages proves the end; a short one may have met its byte limit.
      const last = read.at(-1)
      this.#high = last === undefined ? END : later(last, this.#low)
      for (const message of read) if (comparePositions(message, this.#low) > 0) this.#add(message)
      this.#adopt(arrivals)
      this.#trim()
    } finally {
      this.#arrivals = undefined
    }
  }

  /** One that waits stays here when those that came with it have gone: it must not hold what they all were cut from. */
  #add(message: KnownMessage): void {
    const waits = message.due > this.#source.now()
    this.#messages.add(waits ? { ...message, body: unpinned(message.body) } : message)
  }

  #adopt(arrivals: Window): void {
    if (comparePositions(arrivals.#high, this.#high) < 0) this.#high = later(arrivals.#high, this.#low)
    arrivals.#messages.walk(this.#low, (message) => {
      if (comparePositions(message, this.#high) > 0) return false
      this.#messages.add(message)
      return true
    })
    // The scan may have read past where the knowledge of arrivals ends.
    for (let last = this.#messages.last; last && comparePositions(last, this.#high) > 0; last = this.#messages.last) {
      this.#messages.dropLast()
    }
  }

  /** Keeps the nearest ones; the others are read again when their time comes. */
  #trim(): void {
    while (this.#messages.count > WINDOW_MESSAGES_MAX || this.#messages.bytes > WINDOW_BYTES_MAX) {
      if (this.#messages.count === 1) return
      this.#messages.dropLast()
      this.#high = this.#messages.last ?? this.#low
    }
  }
}

function later(a: Position, b: Position): Position {
  return comparePositions(a, b) < 0 ? b : a
}
