/**
 * Reads a file of LevelDB's log format (google/leveldb, doc/log_format.md): its logs and its manifest. Records lie in
 * blocks of 32 KiB as one or more fragments, each with a checksum. LevelDB passes over damage here without a word.
 */
import type { Slice } from '../../../base/slice.ts'
import { maskedCrc32c } from './crc32c.ts'

const BLOCK_BYTES = 32 * 1024
const HEADER_BYTES = 7
/** Of a batch: sequence number and count. */
const BATCH_HEADER_BYTES = 12
const FULL = 1
const FIRST = 2
const LAST = 4

export interface LogFile {
  /** Offset of the first damage before a record that was begun later; what ends the file may be a torn write. */
  readonly damagedAt: number | undefined
  /** Offset of the first fragment that is there as a whole and wrong: LevelDB refuses a manifest for that. */
  readonly wrongAt: number | undefined
  /** Whether every byte of it was understood. */
  readonly whole: boolean
  /** Behind its last record; in front of what was torn. */
  readonly end: number
}

interface Fragment {
  readonly type: number
  readonly data: Buffer
}

export interface LogReading {
  /** What a record of this file begins with, to find one where damage has moved it. Default: anything. */
  readonly isRecord?: (data: Buffer) => boolean
  /** Is given each record. */
  readonly take?: (record: Buffer) => void
  /** Of a process that serves meanwhile. */
  readonly slice?: Slice | undefined
}

export async function readLogFile(bytes: Buffer, { isRecord = () => true, take, slice }: LogReading): Promise<LogFile> {
  let parts: Buffer[] | undefined
  let suspect: number | undefined
  let damagedAt: number | undefined
  let wrongAt: number | undefined
  let end = 0
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    if (slice?.spent()) await slice.rest()
    const left = BLOCK_BYTES - (at % BLOCK_BYTES)
    if (left < HEADER_BYTES) {
      suspect ??= firstNonZero(bytes, at, left)
      at += left
      continue
    }
    const fragment = fragmentAt(bytes, at, left)
    if (fragment === undefined) {
      suspect ??= at
      wrongAt ??= isComplete(bytes, at, left) ? at : undefined
      parts = undefined
      at = nextAfterDamage(bytes, at, left)
      continue
    }
    const begins = fragment.type === FULL || fragment.type === FIRST
    if (begins) {
      damagedAt ??= suspect
      parts = []
    }
    parts?.push(fragment.data)
    if (parts !== undefined && (fragment.type === FULL || fragment.type === LAST)) {
      take?.(Buffer.concat(parts))
      parts = undefined
      end = at + HEADER_BYTES + fragment.data.length
    }
    at += HEADER_BYTES + fragment.data.length
  }
  if (suspect !== undefined && laterRecord(bytes, suspect + 1, isRecord)) damagedAt ??= suspect
  return { damagedAt, wrongAt, whole: suspect === undefined && parts === undefined, end }
}

function fragmentAt(bytes: Buffer, at: number, left: number): Fragment | undefined {
  const end = at + HEADER_BYTES + bytes.readUInt16LE(at + 4)
  const type = bytes.readUInt8(at + 6)
  if (type < FULL || type > LAST || end > at + left || end > bytes.length) return undefined
  if (maskedCrc32c(bytes.subarray(at + 6, end)) !== bytes.readUInt32LE(at)) return undefined
  return { type, data: bytes.subarray(at + HEADER_BYTES, end) }
}

/** In what is too short for another fragment at the end of a block. */
function firstNonZero(bytes: Buffer, at: number, left: number): number | undefined {
  const found = bytes.subarray(at, at + left).findIndex((byte) => byte !== 0)
  return found < 0 ? undefined : at + found
}

/** Whether the fragment at `at`, which does not match its checksum, is more than the beginning of one, and no zeros. */
function isComplete(bytes: Buffer, at: number, left: number): boolean {
  const length = bytes.readUInt16LE(at + 4)
  if (length === 0 && bytes.readUInt8(at + 6) === 0) return false
  return at + left < bytes.length || (HEADER_BYTES + length <= left && at + HEADER_BYTES + length <= bytes.length)
}

/** True for what LevelDB writes into its logs: a sequence number below 2^48, a count, operations. */
export function isBatch(data: Buffer): boolean {
  return data.length >= BATCH_HEADER_BYTES && data.readUInt16LE(6) === 0
}

/** Bytes that were cut out have moved everything behind them: a record may begin anywhere. */
function laterRecord(bytes: Buffer, from: number, isRecord: (data: Buffer) => boolean): boolean {
  for (let at = from; at + HEADER_BYTES < bytes.length; at++) {
    const type = bytes.readUInt8(at + 6)
    if (type !== FULL && type !== FIRST) continue
    if (!isRecord(bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + bytes.readUInt16LE(at + 4)))) continue
    if (fragmentAt(bytes, at, BLOCK_BYTES) !== undefined) return true
  }
  return false
}

/** The fragment behind, if the length can be believed, else the next block. */
function nextAfterDamage(bytes: Buffer, at: number, left: number): number {
  const next = HEADER_BYTES + bytes.readUInt16LE(at + 4)
  const believable = next + HEADER_BYTES <= left && at + next + HEADER_BYTES <= bytes.length && next > HEADER_BYTES
  if (believable && fragmentAt(bytes, at + next, left - next) !== undefined) return at + next
  return at + left
}
