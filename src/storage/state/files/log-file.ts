/**
 * Reads a file of LevelDB's log format (google/leveldb, doc/log_format.md): its logs and its manifest. Records lie in
 * blocks of 32 KiB as one or more fragments, each with a checksum. LevelDB passes over damage here without a word.
 */
import { maskedCrc32c } from './crc32c.ts'

const BLOCK_BYTES = 32 * 1024
const HEADER_BYTES = 7
const FULL = 1
const FIRST = 2
const LAST = 4

export interface LogFile {
  readonly records: readonly Buffer[]
  /** Offset of the first damage before a record that was begun later; what ends the file may be a torn write. */
  readonly damagedAt: number | undefined
  /** Whether every byte of it was understood. */
  readonly whole: boolean
}

interface Fragment {
  readonly type: number
  readonly data: Buffer
}

export function readLogFile(bytes: Buffer): LogFile {
  const records: Buffer[] = []
  let parts: Buffer[] | undefined
  let suspect: number | undefined
  let damagedAt: number | undefined
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES)
    if (left < HEADER_BYTES) {
      at += left
      continue
    }
    const fragment = fragmentAt(bytes, at, left)
    if (fragment === undefined) {
      suspect ??= at
      parts = undefined
      at = nextAfterDamage(bytes, at, left)
      continue
    }
    const begins = fragment.type === FULL || fragment.type === FIRST
    if (begins) damagedAt ??= suspect
    if (begins) parts = []
    parts?.push(fragment.data)
    if (parts !== undefined && (fragment.type === FULL || fragment.type === LAST)) {
      records.push(Buffer.concat(parts))
      parts = undefined
    }
    at += HEADER_BYTES + fragment.data.length
  }
  return { records, damagedAt, whole: suspect === undefined && parts === undefined }
}

function fragmentAt(bytes: Buffer, at: number, left: number): Fragment | undefined {
  const end = at + HEADER_BYTES + bytes.readUInt16LE(at + 4)
  const type = bytes.readUInt8(at + 6)
  if (type < FULL || type > LAST || end > at + left || end > bytes.length) return undefined
  if (maskedCrc32c(bytes.subarray(at + 6, end)) !== bytes.readUInt32LE(at)) return undefined
  return { type, data: bytes.subarray(at + HEADER_BYTES, end) }
}

/** The fragment behind, if the length can be believed, else the next block. */
function nextAfterDamage(bytes: Buffer, at: number, left: number): number {
  const next = HEADER_BYTES + bytes.readUInt16LE(at + 4)
  const believable = next + HEADER_BYTES <= left && at + next + HEADER_BYTES <= bytes.length && next > HEADER_BYTES
  if (believable && fragmentAt(bytes, at + next, left - next) !== undefined) return at + next
  return at + left
}
