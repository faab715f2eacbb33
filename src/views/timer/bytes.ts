/**
 * Compact bytes for commands and rows: little-endian base-128 numbers up to 2^53, signed ones by zigzag, latin1 and
 * UTF-8 text with a length in front. Reading past the end or leaving bytes over is a bug, never a client's mistake.
 */
import { assert } from '../../base/assert.ts'

const utf8 = new TextEncoder()
const utf8Reader = new TextDecoder()

export class ByteWriter {
  #bytes: Uint8Array
  #at = 0

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity)
  }

  get length(): number {
    return this.#at
  }

  /** Whole, 0 to 2^53 - 1. */
  number(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'numbers in bytes are whole and not negative')
    if (this.#at + 8 > this.#bytes.length) this.#grow(8)
    let rest = value
    while (rest >= 2 ** 31) {
      this.#bytes[this.#at++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    while (rest >= 128) {
      this.#bytes[this.#at++] = (rest & 127) | 128
      rest >>>= 7
    }
    this.#bytes[this.#at++] = rest
  }

  /** Whole, of either sign, magnitude below 2^52. */
  signed(value: number): void {
    this.number(value < 0 ? -value * 2 - 1 : value * 2)
  }

  /** Infinity costs one byte. */
  endless(value: number): void {
    this.number(value === Number.POSITIVE_INFINITY ? 0 : value + 1)
  }

  /** Every character below 256. */
  latin1(text: string): void {
    this.number(text.length)
    if (this.#at + text.length > this.#bytes.length) this.#grow(text.length)
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      assert(code < 256, 'names in bytes are latin1')
      this.#bytes[this.#at++] = code
    }
  }

  text(text: string): void {
    this.bytes(utf8.encode(text))
  }

  /** Length and contents, copied. */
  bytes(bytes: Uint8Array): void {
    this.number(bytes.length)
    if (this.#at + bytes.length > this.#bytes.length) this.#grow(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  /** What was written; a view when little room is left over, else a copy that pins no more than itself. */
  finish(): Uint8Array {
    const spare = this.#bytes.length - this.#at
    return spare * 8 > this.#bytes.length ? this.#bytes.slice(0, this.#at) : this.#bytes.subarray(0, this.#at)
  }

  #grow(more: number): void {
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + more))
    larger.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = larger
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array
  #at: number

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes
    this.#at = at
  }

  number(): number {
    const bytes = this.#bytes
    let byte = bytes[this.#at++] as number
    if (byte < 128) return byte
    let value = byte & 127
    let scale = 128
    do {
      byte = bytes[this.#at++] as number
      value += (byte & 127) * scale
      scale *= 128
    } while (byte >= 128)
    assert(value <= Number.MAX_SAFE_INTEGER, 'numbers in bytes end, and stay below 2^53')
    return value
  }

  signed(): number {
    const value = this.number()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  endless(): number {
    const value = this.number()
    return value === 0 ? Number.POSITIVE_INFINITY : value - 1
  }

  /** How many items follow; each takes at least one byte. */
  count(): number {
    const value = this.number()
    assert(value <= this.#bytes.length - this.#at, 'a count stays within its bytes')
    return value
  }

  latin1(): string {
    const length = this.count()
    let text = ''
    for (let i = 0; i < length; i++) text += String.fromCharCode(this.#bytes[this.#at++] as number)
    return text
  }

  text(): string {
    return utf8Reader.decode(this.bytes())
  }

  /** A subarray. */
  bytes(): Uint8Array {
    const length = this.count()
    const from = this.#at
    this.#at = from + length
    return this.#bytes.subarray(from, this.#at)
  }

  /** Everything was read, and nothing beyond. */
  end(): void {
    assert(this.#at === this.#bytes.length, 'bytes are read to their end')
  }
}
