/**
 * What is kept for one call: its headers, messages that are not whole, those that its handler has not taken, and answers
 * that its client has not. A piece of a message is counted by what it pins: the whole buffer that was read from the socket,
 * which one byte keeps as many do.
 */
import type { Metadata } from '@grpc/grpc-js'
import { MessagePrefix } from './message-prefix.ts'

/** Beside the bytes: what the library keeps for a piece, and for a message. */
const PIECE_COST = 256
const MESSAGE_COST = 512

export class HeldBytes {
  readonly #hold: (more: number) => void
  readonly #prefix = new MessagePrefix()
  /** The buffer of the last piece; the next may lie in it too. */
  #pinned: ArrayBufferLike | undefined
  #pieces = 0
  /** Whole and not taken. */
  #messages = 0
  #messageBytes = 0
  #unsent = 0

  /** `hold` is told what is kept more, or less. */
  constructor(hold: (more: number) => void) {
    this.#hold = hold
  }

  /** A message has begun to come and is not whole. */
  get begun(): boolean {
    return !this.#prefix.between
  }

  /** Answers wait until the client takes them. */
  get unsent(): boolean {
    return this.#unsent > 0
  }

  /** They stay for as long as the call. */
  headers(metadata: Metadata): void {
    let bytes = 0
    for (const [key, value] of Object.entries(metadata.getMap())) bytes += key.length + value.length
    this.#hold(bytes)
  }

  /** A piece came; returns how many messages it completed. */
  read(piece: Uint8Array): number {
    this.#prefix.read(piece)
    const { whole, wholeBytes } = this.#prefix
    const shared = piece.buffer === this.#pinned
    const pieces = PIECE_COST + (shared ? 0 : piece.buffer.byteLength)
    let more = pieces
    if (whole > 0) {
      // The library copies a message that is whole: of the pieces only the last may still be needed.
      const rest = this.begun ? PIECE_COST + piece.buffer.byteLength : 0
      more = rest - this.#pieces + wholeBytes + whole * MESSAGE_COST
      this.#pieces = rest
      this.#messages += whole
      this.#messageBytes += wholeBytes + whole * MESSAGE_COST
    } else this.#pieces += pieces
    this.#pinned = this.begun ? piece.buffer : undefined
    this.#hold(more)
    return whole
  }

  /** A message of so many bytes was taken. */
  taken(bytes: number): void {
    this.#messages -= 1
    // A compressed one has more bytes than were counted.
    const counted = Math.min(this.#messageBytes, bytes + MESSAGE_COST)
    const less = this.#messages > 0 ? counted : this.#messageBytes
    this.#messageBytes -= less
    this.#hold(-less)
  }

  /** An answer of so many bytes goes out. */
  sending(bytes: number): void {
    this.#unsent += bytes
    this.#hold(bytes)
  }

  /** The client has it. */
  sent(bytes: number): void {
    this.sending(-bytes)
  }
}
