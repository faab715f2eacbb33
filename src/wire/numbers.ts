// protobufjs reader and writer whose 64-bit numbers are JS numbers, checked. Passing instances of these keeps the choice
// out of the library's process-wide configuration, which other users of it (reflection, health) share.
import protobuf from 'protobufjs'
import { assert } from '../base/assert.ts'

/** Refuses varints of 2^53 and more with a RangeError. */
export class NumberReader extends protobuf.BufferReader {
  constructor(bytes: Uint8Array) {
    super(Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  }

  // The declared return type of the library is Long; decoded fields are typed by messages.ts.
  override uint64(): never {
    return readSafeInteger(this) as never
  }
}

export class NumberWriter extends protobuf.BufferWriter {
  override uint64(value: protobuf.Long | number | string): protobuf.Writer {
    // The text of a failed assertion is not made for each number: this is the hot path.
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) assert(false, `not a uint64: ${value}`)
    return value <= 0xffffffff ? this.uint32(value) : super.uint64(value)
  }
}

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
