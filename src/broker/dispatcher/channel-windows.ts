/**
 * The windows of one channel. Groups near one another share one; a group far behind reads through a window of its own
 * until it has caught up with another's.
 */
import type { Position } from '../../views/timer/commands.ts'
import { comparePositions, type KnownMessage } from './sorted-messages.ts'
import { END, type Source, Window } from './window.ts'

export class ChannelWindows {
  readonly #source: Source
  readonly #windows = new Map<Window, Map<object, Position>>()

  constructor(source: Source) {
    this.#source = source
  }

  /** The window for a reader at `cursor`; what no reader of it needs any more is released. */
  use(reader: object, cursor: Position): Window {
    const window = this.#windowFor(reader, cursor)
    for (const [other, readers] of this.#windows) {
      if (other !== window && readers.delete(reader) && readers.size === 0) this.#windows.delete(other)
    }
    const readers = this.#windows.get(window) ?? new Map()
    readers.set(reader, cursor)
    this.#windows.set(window, readers)
    window.release(lowest(readers.values(), cursor))
    return window
  }

  /** The reader needs nothing for now. */
  leave(reader: object): void {
    for (const [window, readers] of this.#windows) {
      if (readers.delete(reader) && readers.size === 0) this.#windows.delete(window)
    }
  }

  stored(message: KnownMessage): void {
    for (const window of this.#windows.keys()) window.stored(message)
  }

  /** Known messages ahead of the slowest reader. */
  count(now: number): { due: number; scheduled: number } {
    let most = { due: 0, scheduled: 0 }
    for (const [window, readers] of this.#windows) {
      const counted = window.count(lowest(readers.values(), END), now)
      if (counted.due + counted.scheduled > most.due + most.scheduled) most = counted
    }
    return most
  }

  #windowFor(reader: object, cursor: Position): Window {
    let found: Window | undefined
    for (const [window, readers] of this.#windows) {
      if (!window.covers(cursor)) continue
      // One whose reader it already is and that still has something ahead, else one that may know more.
      if (readers.has(reader) && window.nextDue(cursor) !== undefined) return window
      if (found === undefined || window.nextDue(cursor) !== undefined || window.complete) found = window
    }
    return found ?? new Window(cursor, this.#source)
  }
}

function lowest(positions: Iterable<Position>, start: Position): Position {
  let low = start
  for (const position of positions) if (comparePositions(position, low) < 0) low = position
  return low
}
