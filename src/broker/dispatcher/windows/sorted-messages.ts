/**
 * Messages in order of position, in memory: a list of short sorted pieces, so that inserting into the middle (a message
 * due now among ten thousand scheduled ones) moves little. Positions are distinct.
 */
import { unpinned } from '../../../base/pinned.ts'
import type { Position } from '../../../views/timer/commands.ts'
import { Pins } from './pins.ts'

export interface KnownMessage extends Position {
  /** Encoded sandglass.v1.Body. */
  readonly body: Uint8Array
}

const PIECE_MAX = 512
/** What a message costs beside the buffers it pins: the record, its view on the body, its place. */
export const MESSAGE_COST = 256

export function comparePositions(a: Position, b: Position): number {
  return a.due - b.due || a.index - b.index
}

export class SortedMessages {
  /** No piece is empty. */
  readonly #pieces: KnownMessage[][] = []
  #count = 0
  #bytes = 0
  readonly #pins = new Pins()

  get count(): number {
    return this.#count
  }

  /** Of bodies. */
  get bytes(): number {
    return this.#bytes
  }

  /** Of the buffers that the bodies hold. */
  get pinned(): number {
    return this.#pins.bytes
  }

  /** All that is kept for them. */
  get cost(): number {
    return this.#pins.bytes + this.#count * MESSAGE_COST
  }

  get first(): KnownMessage | undefined {
    return this.#pieces[0]?.[0]
  }

  get last(): KnownMessage | undefined {
    return this.#pieces.at(-1)?.at(-1)
  }

  /** A message that is already there is left as it is. */
  add(message: KnownMessage): void {
    const p = this.#pieceFor(message)
    const piece = this.#pieces[p]
    if (piece === undefined) {
      this.#pieces.push([message])
    } else {
      const at = lowerBound(piece, message)
      const there = piece[at]
      if (there !== undefined && comparePositions(there, message) === 0) return
      if (at === piece.length) piece.push(message)
      else piece.splice(at, 0, message)
      if (piece.length > PIECE_MAX) this.#pieces.splice(p + 1, 0, piece.splice(PIECE_MAX / 2))
    }
    this.#count += 1
    this.#bytes += message.body.length
    this.#pins.hold(message.body)
  }

  /** Copies the bodies that hold much more than themselves. */
  unpin(): void {
    for (const piece of this.#pieces) {
      for (const [i, message] of piece.entries()) {
        const body = unpinned(message.body)
        if (body === message.body) continue
        this.#pins.release(message.body)
        this.#pins.hold(body)
        piece[i] = { due: message.due, index: message.index, body }
      }
    }
  }

  /** Those after `after`, ascending, until `visit` says false. */
  walk(after: Position, visit: (message: KnownMessage) => boolean): void {
    for (let p = this.#pieceFor(after); p < this.#pieces.length; p++) {
      const piece = this.#pieces[p] ?? []
      for (let i = lowerBound(piece, after); i < piece.length; i++) {
        const message = piece[i]
        if (message === undefined || comparePositions(message, after) <= 0) continue
        if (!visit(message)) return
      }
    }
  }

  /** How many are after `after`, without looking at each. */
  countAfter(after: Position): number {
    const p = this.#pieceFor(after)
    const piece = this.#pieces[p]
    if (piece === undefined) return 0
    let count = piece.length - indexAfter(piece, after)
    for (let q = p + 1; q < this.#pieces.length; q++) count += this.#pieces[q]?.length ?? 0
    return count
  }

  /** Removes everything up to and including `to`. */
  dropThrough(to: Position): void {
    for (let piece = this.#pieces[0]; piece !== undefined; piece = this.#pieces[0]) {
      const first = piece[0]
      if (first === undefined || comparePositions(first, to) > 0) return
      const last = piece.at(-1)
      if (last !== undefined && comparePositions(last, to) <= 0) {
        this.#forget(piece)
        this.#pieces.shift()
        continue
      }
      this.#forget(piece.splice(0, indexAfter(piece, to)))
      return
    }
  }

  /** Removes the last one. */
  dropLast(): KnownMessage | undefined {
    const piece = this.#pieces.at(-1)
    const message = piece?.pop()
    if (message !== undefined) this.#forget([message])
    if (piece?.length === 0) this.#pieces.pop()
    return message
  }

  /** The first piece whose last message is at or after `position`; the last piece when there is none. */
  #pieceFor(position: Position): number {
    let lo = 0
    let hi = this.#pieces.length - 1
    while (lo < hi) {
      const mid = (lo + hi) >>> 1
      const last = this.#pieces[mid]?.at(-1)
      if (last !== undefined && comparePositions(last, position) < 0) lo = mid + 1
      else hi = mid
    }
    return lo
  }

  #forget(messages: readonly KnownMessage[]): void {
    this.#count -= messages.length
    for (const { body } of messages) {
      this.#bytes -= body.length
      this.#pins.release(body)
    }
  }
}

/** Index of the first one after `position`. */
function indexAfter(piece: readonly KnownMessage[], position: Position): number {
  const at = lowerBound(piece, position)
  const there = piece[at]
  return there !== undefined && comparePositions(there, position) === 0 ? at + 1 : at
}

/** Index of the first one at or after `position`. */
function lowerBound(piece: readonly KnownMessage[], position: Position): number {
  let lo = 0
  let hi = piece.length
  while (lo < hi) {
    const mid = (lo + hi) >>> 1
    const message = piece[mid]
    if (message !== undefined && comparePositions(message, position) < 0) lo = mid + 1
    else hi = mid
  }
  return lo
}
