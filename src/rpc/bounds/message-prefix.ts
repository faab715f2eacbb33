/** Follows the frames of a gRPC stream by their prefixes: a byte for compression, four for the length of what follows. */
const PREFIX_BYTES = 5

export class MessagePrefix {
  /** Bytes of the prefix that are read. */
  #prefix = 0
  /** Bytes that are missing once the prefix is read. */
  #rest = 0
  /** Of the messages that became whole by the last piece: how many, and their bytes together. */
  whole = 0
  wholeBytes = 0
  #length = 0

  /** Nothing of a message is there that is not whole. */
  get between(): boolean {
    return this.#prefix === 0
  }

  read(piece: Uint8Array): void {
    this.whole = 0
    this.wholeBytes = 0
    for (let at = 0; at < piece.length; ) {
      if (this.#prefix < PREFIX_BYTES) {
        this.#readPrefix(piece[at] ?? 0)
        at += 1
      } else {
        const read = Math.min(this.#rest, piece.length - at)
        this.#rest -= read
        at += read
      }
      if (this.#prefix === PREFIX_BYTES && this.#rest === 0) {
        this.#prefix = 0
        this.whole += 1
        this.wholeBytes += this.#length
      }
    }
  }

  #readPrefix(byte: number): void {
    // The first byte tells whether it is compressed.
    this.#length = this.#prefix === 0 ? 0 : this.#length * 256 + byte
    this.#rest = this.#length
    this.#prefix += 1
  }
}
