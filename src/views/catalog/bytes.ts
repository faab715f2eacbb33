/** The catalog's binary fields (docs/formats.md, "Catalog"): varints below 2^53 and UTF-8 text with its length before it. */
import { assert } from '../../base/assert.ts'

export class ByteWriter {
  readonly #bytes: number[] = []
  readonly #encoder = new TextEncoder()

  byte(value: number): this {
    assert(Number.isInteger(value) && value >= 0 && value < 256, 'a byte is 0 to 255')
    this.#bytes.push(value)
    return this
  }

  varint(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, 'a varint is an integer from 0 to 2^53 - 1')
    let rest = value
    while (rest >= 0x80) {
      this.#bytes.push((rest % 0x80) | 0x80)
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes.push(rest)
    return this
  }

  text(value: string): this {
    const bytes = this.#encoder.encode(value)
    this.varint(bytes.length)
    for (const byte of bytes) this.#bytes.push(byte)
    return this
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }
}

/** Reads what {@link ByteWriter} wrote. Bytes cut short or too long are a broken invariant: they were checked before. */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  byte(): number {
    const byte = this.#bytes[this.#at++]
    assert(byte !== undefined, 'a record is not cut short')
    return byte
  }

  varint(): number {
    let value = 0
    for (let scale = 1; ; scale *= 0x80) {
      assert(scale < 2 ** 53, 'a varint has at most eight bytes')
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      assert(Number.isSafeInteger(value), 'a varint is below 2^53')
      if (byte < 0x80) return value
    }
  }

  text(): string {
    const length = this.varint()
    const end = this.#at + length
    assert(end <= this.#bytes.length, 'a text is not cut short')
    const value = this.#decoder.decode(this.#bytes.subarray(this.#at, end))
    this.#at = end
    return value
  }

  /** Asserts that nothing is left. */
  end(): void {
    assert(this.#at === this.#bytes.length, 'a record ends with its last field')
  }
}
