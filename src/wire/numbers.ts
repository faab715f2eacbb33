// protobufjs reader and writer whose 64-bit numbers are JS numbers, checked. Passing instances of these keeps the choice
// out of the library's process-wide configuration, which other users of it (reflection, health) share.
import protobuf from 'protobufjs'
import { assert } from '../base/assert.ts'

/**
 * Refuses with a RangeError varints of 2^53 and more, 32-bit ones of 2^32 and more (tags and lengths among them), and text
 * that ends behind its message.
 */
export class NumberReader extends protobuf.BufferReader {
  constructor(bytes: Uint8Array) {
    super(Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  }

  // The declared return type of the library is Long; decoded fields are typed by messages.ts.
  override uint64(): never {
    return readSafeInteger(this) as never
  }

  override uint32(): number {
    const { buf, pos } = this
    const low = buf[pos] ?? 0x80
    if (low < 0x80) {
      this.pos = pos + 1
      return low
    }
    // Lengths of most bodies.
    const high = buf[pos + 1] ?? 0x80
    if (high < 0x80) {
      this.pos = pos + 2
      return (low & 0x7f) | (high << 7)
    }
    const value = readSafeInteger(this)
    if (value > UINT32_MAX) throw new RangeError('number is 2^32 or more')
    return value
  }

  override string(): string {
    const length = this.uint32()
    if (this.pos + length > this.len) throw new RangeError('text is cut short')
    this.pos += length
    return (this.buf as Buffer).toString('utf8', this.pos - length, this.pos)
  }
}

export class NumberWriter extends protobuf.BufferWriter {
  override uint32(value: number): protobuf.Writer {
    if (value >>> 0 !== value) assert(false, `not a uint32: ${value}`)
    return super.uint32(value)
  }

  override uint64(value: protobuf.Long | number | string): protobuf.Writer {
    // The text of a failed assertion is not made for each number: this is the hot path.
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) assert(false, `not a uint64: ${value}`)
    return value <= UINT32_MAX ? super.uint32(value) : super.uint64(value)
  }
}

const UINT32_MAX = 0xffffffff

function readSafeInteger(reader: protobuf.Reader): number {
  let value = 0
  let scale = 1
  for (let at = 0; at < 8; at++) {
    if (reader.pos >= reader.len) throw new RangeError('number is cut short')
    const byte = reader.buf[reader.pos++] ?? 0
    value += (byte & 0x7f) * scale
    if (byte < 0x80) {
      if (value > Number.MAX_SAFE_INTEGER) break
      return value
    }
    scale *= 128
  }
  throw new RangeError('number is 2^53 or more')
}
