/** Decompresses a Snappy block (google/snappy, format_description.txt): LevelDB's index blocks come in it. */
import { ByteReader } from './byte-reader.ts'

/** Throws RangeError when the input is not what it claims to be. */
export function uncompress(input: Buffer): Buffer {
  const reader = new ByteReader(input)
  const output = Buffer.alloc(checkedLength(reader.varint(), input.length))
  let at = 0
  while (!reader.ended) {
    const tag = reader.byte()
    if ((tag & 3) === 0) {
      const literal = reader.bytes(literalLength(tag >> 2, reader))
      if (at + literal.length > output.length) throw new RangeError('a literal is too long')
      at += literal.copy(output, at)
      continue
    }
    const { length, offset } = copyOf(tag, reader)
    if (offset === 0 || offset > at || at + length > output.length) throw new RangeError('a copy lies outside')
    // Byte by byte: a copy may overlap what it writes.
    for (let i = 0; i < length; i++, at++) output[at] = output[at - offset] as number
  }
  if (at !== output.length) throw new RangeError('the output is too short')
  return output
}

/** A copy of 64 bytes takes 3; nothing grows more than that. */
function checkedLength(length: number, inputLength: number): number {
  if (length > inputLength * 32) throw new RangeError('the claimed length is too long')
  return length
}

function literalLength(code: number, reader: ByteReader): number {
  return code < 60 ? code + 1 : littleEndian(reader.bytes(code - 59)) + 1
}

function copyOf(tag: number, reader: ByteReader): { length: number; offset: number } {
  if ((tag & 3) === 1) return { length: ((tag >> 2) & 7) + 4, offset: ((tag >> 5) << 8) + reader.byte() }
  return { length: (tag >> 2) + 1, offset: littleEndian(reader.bytes((tag & 3) === 2 ? 2 : 4)) }
}

function littleEndian(bytes: Buffer): number {
  return bytes.readUIntLE(0, bytes.length)
}
