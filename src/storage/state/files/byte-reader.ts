/** Reads LevelDB's encodings off a buffer. Running past its end is a RangeError, which callers turn into damage. */
export class ByteReader {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes
    this.#at = at
  }

  get at(): number {
    return this.#at
  }

  get ended(): boolean {
    return this.#at >= this.#bytes.length
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#at++)
  }

  /** Little-endian groups of seven bits; below 2^53. */
  varint(): number {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte()
      value += (byte & 0x7f) * factor
      if (byte < 128) return value
      if (factor > 2 ** 49) throw new RangeError('a number is too long')
    }
  }

  bytes(count: number): Buffer {
    if (this.#at + count > this.#bytes.length) throw new RangeError('bytes end early')
    this.#at += count
    return this.#bytes.subarray(this.#at - count, this.#at)
  }

  /** A length, then that many bytes. */
  slice(): Buffer {
    return this.bytes(this.varint())
  }
}
