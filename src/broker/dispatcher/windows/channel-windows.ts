/**
 * The windows of one channel. Groups near one another share one; a group far behind reads through a window of its own
 * until it has caught up with another's. Only groups that have somebody to hand messages to read windows.
 */
import type { Position } from '../../../views/timer/commands.ts'
import { KeyedHeap } from '../keyed-heap.ts'
import { comparePositions, type KnownMessage } from './sorted-messages.ts'
import { END, type Source, Window } from './window.ts'

/** `R`: who reads. */
export class ChannelWindows<R extends object> {
  readonly #source: Source
  /** With their readers by cursor: what the slowest has behind it is let go. */
  readonly #windows = new Map<Window, KeyedHeap<R, Position>>()
  readonly #windowOf = new Map<R, Window>()

  constructor(source: Source) {
    this.#source = source
  }

  get size(): number {
    return this.#windows.size
  }

  /** The window for a reader at `cursor`; what no reader of it needs any more is released. */
  use(reader: R, cursor: Position): Window {
    const former = this.#windowOf.get(reader)
    const window = this.#windowFor(former, cursor)
    if (former !== undefined && former !== window) this.leave(reader)
    this.#windowOf.set(reader, window)
    const readers = this.#windows.get(window) ?? new KeyedHeap<R, Position>(isBefore)
    this.#windows.set(window, readers)
    readers.set(reader, cursor)
    window.release(readers.firstKey ?? cursor)
    this.#source.budget.used(window)
    return window
  }

  /** The reader needs nothing for now. */
  leave(reader: R): void {
    const window = this.#windowOf.get(reader)
    if (window === undefined) return
    this.#windowOf.delete(reader)
    const readers = this.#windows.get(window)
    readers?.delete(reader)
    if (readers !== undefined && readers.size > 0) return
    this.#windows.delete(window)
    window.close()
  }

  readersOf(window: Window): readonly R[] {
    return this.#windows.get(window)?.items ?? []
  }

  /** Messages of one entry, `earliest` the first due time of them. */
  stored(messages: readonly KnownMessage[], earliest: number): void {
    for (const window of this.#windows.keys()) {
      if (!window.minds(earliest)) continue
      for (const message of messages) window.stored(message)
    }
  }

  /** Known messages ahead of the slowest reader. */
  count(now: number): { due: number; scheduled: number } {
    let most = { due: 0, scheduled: 0 }
    for (const [window, readers] of this.#windows) {
      const counted = window.count(readers.firstKey ?? END, now)
      if (counted.due + counted.scheduled > most.due + most.scheduled) most = counted
    }
    return most
  }

  close(): void {
    for (const window of this.#windows.keys()) window.close()
    this.#windows.clear()
    this.#windowOf.clear()
  }

  /** Its own while that has something ahead or is being filled, else one that may know more. */
  #windowFor(own: Window | undefined, cursor: Position): Window {
    const covered = own?.covers(cursor) ? own : undefined
    if (covered !== undefined && (covered.knows(cursor) || covered.filling)) return covered
    let found = covered
    for (const window of this.#windows.keys()) {
      if (!window.covers(cursor)) continue
      if (window.knows(cursor)) return window
      found ??= window
    }
    return found ?? new Window(cursor, this.#source)
  }
}

function isBefore(a: Position, b: Position): boolean {
  return comparePositions(a, b) < 0
}
