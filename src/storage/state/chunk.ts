/**
 * One chunk of a state snapshot on its way to a follower: docs/formats.md. Each names the checksum of the chunk before
 * it, so that a chunk that is damaged, out of order or of another snapshot is refused.
 */
import { crc32 } from 'node:zlib'
import { invalid, type SandglassError } from '../../base/errors.ts'
import type { Row } from './types.ts'

const MAGIC = 0x43534753
const HEADER_BYTES = 20
const ROW_HEADER_BYTES = 8
const CRC_BYTES = 4
const LAST = 1

export interface Chunk {
  /** From 0. */
  readonly number: number
  /** Checksum of the chunk before; 0 in the first. */
  readonly before: number
  readonly last: boolean
  readonly rows: readonly Row[]
}

/** What a row adds to a chunk, bytes. */
export function rowBytes(row: Row): number {
  return ROW_HEADER_BYTES + row.key.length + row.value.byteLength
}

/** What a chunk without rows takes, bytes. */
export const EMPTY_CHUNK_BYTES = HEADER_BYTES + CRC_BYTES

export function encodeChunk(chunk: Chunk): Buffer {
  const size = chunk.rows.reduce((sum, row) => sum + rowBytes(row), EMPTY_CHUNK_BYTES)
  const bytes = Buffer.allocUnsafeSlow(size)
  bytes.writeUInt32LE(MAGIC, 0)
  bytes.writeUInt32LE(chunk.number, 4)
  bytes.writeUInt32LE(chunk.before, 8)
  bytes.writeUInt32LE(chunk.last ? LAST : 0, 12)
  bytes.writeUInt32LE(chunk.rows.length, 16)
  let at = HEADER_BYTES
  for (const { key, value } of chunk.rows) {
    bytes.writeUInt32LE(key.length, at)
    bytes.writeUInt32LE(value.byteLength, at + 4)
    at += ROW_HEADER_BYTES
    at += bytes.write(key, at, 'latin1')
    bytes.set(value, at)
    at += value.byteLength
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(0, at)), at)
  return bytes
}

/** The checksum that the chunk after this one names. */
export function chunkChecksum(bytes: Uint8Array): number {
  return asBuffer(bytes).readUInt32LE(bytes.byteLength - CRC_BYTES)
}

/** Values are slices of `bytes`. Throws INVALID when the chunk is damaged. */
export function decodeChunk(data: Uint8Array): Chunk {
  const bytes = asBuffer(data)
  const end = bytes.byteLength - CRC_BYTES
  if (end < HEADER_BYTES || bytes.readUInt32LE(0) !== MAGIC) throw damaged('it is not a chunk')
  if (crc32(bytes.subarray(0, end)) !== bytes.readUInt32LE(end)) throw damaged('its checksum is wrong')
  const count = bytes.readUInt32LE(16)
  const rows: Row[] = []
  let at = HEADER_BYTES
  for (let i = 0; i < count; i++) {
    if (at + ROW_HEADER_BYTES > end) throw damaged('it ends within a row')
    const keyAt = at + ROW_HEADER_BYTES
    const valueAt = keyAt + bytes.readUInt32LE(at)
    const next = valueAt + bytes.readUInt32LE(at + 4)
    if (next > end) throw damaged('it ends within a row')
    rows.push({ key: bytes.toString('latin1', keyAt, valueAt), value: bytes.subarray(valueAt, next) })
    at = next
  }
  if (at !== end) throw damaged('it does not end behind its last row')
  return { number: bytes.readUInt32LE(4), before: bytes.readUInt32LE(8), last: bytes.readUInt32LE(12) === LAST, rows }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function damaged(how: string): SandglassError {
  return invalid('chunk', `Cannot install a snapshot: a chunk is damaged, ${how}`)
}
