/**
 * Numbers and bytes in and out of one buffer. A varint has 7 bits a byte, least significant first, and holds integers
 * below 2^53. The reader trusts nothing: what is cut short or too large is refused as bad input.
 */
import { assert } from '../base/assert.ts'
import { invalid, type SandglassError } from '../base/errors.ts'

/** The most bytes of one varint. */
export const VARINT_BYTES_MAX = 8
const VARINT_SCALE_MAX = 2 ** 49

/** Writes into a buffer that the caller has made large enough. */
export class ByteWriter {
  readonly #buffer: Buffer
  #at = 0

  /** `bytes`: an upper bound of what will be written. */
  constructor(bytes: number) {
    // Not from the shared pool: a frame outlives its turn in the socket's queue.
    this.#buffer = Buffer.allocUnsafeSlow(bytes)
  }

  get length(): number {
    return this.#at
  }

  byte(value: number): void {
    this.#buffer[this.#at++] = value
  }

  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'a varint is an integer in [0, 2^53)')
    let rest = value
    while (rest >= 0x80) {
      this.#buffer[this.#at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#buffer[this.#at++] = rest
  }

  /** Milliseconds since 1970 as 48 bits, big-endian; rounded down. */
  time(ms: number): void {
    this.#at = this.#buffer.writeUIntBE(Math.max(0, Math.floor(ms)), this.#at, 6)
  }

  uint32(value: number): void {
    this.#at = this.#buffer.writeUInt32BE(value, this.#at)
  }

  bytes(value: Uint8Array): void {
    this.#buffer.set(value, this.#at)
    this.#at += value.byteLength
  }

  /** What was written, not copied. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#at)
  }
}

export class ByteReader {
  readonly #buffer: Uint8Array
  readonly #end: number
  #at: number

  /** Reads `buffer` from `start` to `end`. */
  constructor(buffer: Uint8Array, start = 0, end: number = buffer.byteLength) {
    this.#buffer = buffer
    this.#at = start
    this.#end = end
  }

  get remaining(): number {
    return this.#end - this.#at
  }

  byte(): number {
    if (this.#at >= this.#end) throw badBytes('cut short')
    return this.#buffer[this.#at++] ?? 0
  }

  varint(field = 'a number'): number {
    let value = 0
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) break
      if (scale >= VARINT_SCALE_MAX) throw badBytes(`${field} is too long`, field)
    }
    if (!Number.isSafeInteger(value)) throw badBytes(`${field} is too large`, field)
    return value
  }

  /** A varint in [min, max]; `field` names it in the refusal. */
  number(field: string, max: number, min = 0): number {
    const value = this.varint(field)
    if (value > max || value < min) throw badBytes(`${field} is ${value}, which is not ${min} to ${max}`, field)
    return value
  }

  time(): number {
    let value = 0
    for (let i = 0; i < 6; i++) value = value * 0x100 + this.byte()
    return value
  }

  uint32(): number {
    let value = 0
    for (let i = 0; i < 4; i++) value = value * 0x100 + this.byte()
    return value
  }

  /** A view of the next `count` bytes, not a copy. */
  bytes(count: number): Uint8Array {
    if (count > this.remaining) throw badBytes('cut short')
    const start = this.#at
    this.#at += count
    return this.#buffer.subarray(start, this.#at)
  }

  end(): void {
    if (this.remaining > 0) throw badBytes('bytes are left over')
  }
}

/** Bytes that nobody of this cluster can have written. `field`: what of them cannot be. */
export function badBytes(state: string, field = 'frame'): SandglassError {
  return invalid(field, `Cannot read a frame: ${state}`)
}
