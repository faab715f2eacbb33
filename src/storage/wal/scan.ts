/**
 * Reads one segment frame by frame and says how it ends. Zeros behind the last valid batch are its clean end. Anything
 * else there is a problem, and whether a later batch stands behind it decides what it means: written in order and one
 * at a time, batch n+1 proves that n was durable.
 */
import { crc32 } from 'node:zlib'
import { SandglassError } from '../../base/errors.ts'
import type { Slice } from '../../base/slice.ts'
import type { DiskFile } from '../disk.ts'
import { BLOCK_BYTES, FORMAT_VERSION, type FrameHead, frameBytes, HEAD_BYTES, isZero, readHead } from './frame.ts'
import { type DecodedTable, decodeTable, rowBytes, rowCrc } from './records.ts'

const WINDOW_BYTES = 1024 * 1024
const BATCH_MAGIC = Buffer.from('SGWB')

/** A valid frame. Its bytes are only valid during the visit. */
export interface ScannedFrame extends DecodedTable {
  readonly head: FrameHead
  readonly position: number
  readonly bytes: number
  /** In the file. */
  readonly payloadPosition: number
  readonly payloads: Uint8Array
}

interface ScanProblem {
  readonly offset: number
  readonly reason: string
  /** A batch stands behind it: what is damaged had been durable. */
  readonly proven: boolean
}

export interface ScanResult {
  /** undefined: the header is no valid frame. */
  readonly header: FrameHead | undefined
  /** Behind the last valid frame. */
  readonly end: number
  readonly last: { readonly position: number; readonly bytes: number; readonly headCrc: number } | undefined
  /** Of the next batch. */
  readonly sequence: number
  readonly batches: number
  readonly sealed: boolean
  readonly problem: ScanProblem | undefined
}

/** A segment's file, and who else waits while it is read. */
export interface ScanSource {
  readonly file: DiskFile
  readonly size: number
  /** Of a process that serves meanwhile: rests between two frames. */
  readonly slice?: Slice | undefined
}

/** Scans the segment `number`; calls `visit` for its header and every batch in front of the first problem. */
export async function scanSegment(
  source: ScanSource,
  number: number,
  visit: (frame: ScannedFrame) => void,
): Promise<ScanResult> {
  const header = readFrame(source, 0)
  if (typeof header === 'string' || header.head.kind !== 'header' || header.head.segment !== number) {
    const reason = typeof header === 'string' ? header : 'not the header of this segment'
    const proven = (await findBatch(source, 0, () => true)).found
    const problem = { offset: 0, reason: `header: ${reason}`, proven }
    return { header: undefined, end: 0, last: undefined, sequence: 0, batches: 0, sealed: false, problem }
  }
  visit(header)
  return scanBatches(source, header, visit)
}

/** The rest of a frame's file range as it is, for writing it again. */
export function readRange(file: DiskFile, position: number, bytes: number): Uint8Array {
  const buffer = new Uint8Array(bytes)
  const got = file.readSync(buffer, position)
  return got === bytes ? buffer : buffer.subarray(0, got)
}

async function scanBatches(
  source: ScanSource,
  header: ScannedFrame,
  visit: (frame: ScannedFrame) => void,
): Promise<ScanResult> {
  const { size, slice } = source
  const { seed, segment } = header.head
  let last = { position: 0, bytes: header.bytes, headCrc: header.head.headCrc }
  let sequence = header.head.sequence
  let batches = 0
  let sealed = false
  let end = header.bytes
  let problem: ScanProblem | undefined
  while (end < size && !problem) {
    if (slice?.spent()) await slice.rest()
    const frame: ScannedFrame | string = sealed ? 'bytes behind the footer' : readFrame(source, end)
    const reason: string | undefined =
      typeof frame === 'string' ? frame : misplaced(frame.head, { seed, segment, sequence }, last.headCrc)
    if (typeof frame === 'string' || reason !== undefined) {
      const later = await findBatch(source, end, (head) => head.seed === seed && head.sequence > sequence)
      if (!later.found && later.zero) break
      const proven = later.found || typeof frame !== 'string' || (await writtenBehind(source, end, { seed, sequence }))
      problem = { offset: end, reason: reason ?? '', proven }
      break
    }
    visit(frame)
    sealed = frame.footer !== undefined
    last = { position: end, bytes: frame.bytes, headCrc: frame.head.headCrc }
    end += frame.bytes
    sequence++
    batches++
  }
  return { header: header.head, end, last, sequence, batches, sealed, problem }
}

function misplaced(
  head: FrameHead,
  expected: { readonly seed: string; readonly segment: number; readonly sequence: number },
  chain: number,
): string | undefined {
  if (head.kind !== 'batch') return 'a header inside the segment'
  if (head.seed !== expected.seed || head.segment !== expected.segment) return 'a batch of another segment'
  if (head.sequence !== expected.sequence || head.chain !== chain) return 'a batch out of order'
  return undefined
}

/**
 * Whether something stands behind the batch at `position`, whose head is sound and whose rest is not: then a later batch
 * was begun, if only its ruins are left.
 */
async function writtenBehind(
  source: ScanSource,
  position: number,
  expected: { readonly seed: string; readonly sequence: number },
): Promise<boolean> {
  const { file, size } = source
  const head = position + HEAD_BYTES <= size ? readHead(readRange(file, position, HEAD_BYTES)) : undefined
  if (head?.kind !== 'batch' || head.seed !== expected.seed || head.sequence !== expected.sequence) return false
  const behind = position + frameBytes(head)
  return behind < size && !(await findBatch(source, behind, () => false)).zero
}

/** The frame at `position`, or what is wrong with it. */
function readFrame({ file, size }: ScanSource, position: number): ScannedFrame | string {
  if (position + BLOCK_BYTES > size) return 'the file ends in a frame'
  const head = readHead(readRange(file, position, HEAD_BYTES))
  if (!head) return 'no valid frame head'
  if (head.version !== FORMAT_VERSION) {
    throw new SandglassError('UNSUPPORTED', `Cannot read the log: it has format ${head.version}`)
  }
  const bytes = frameBytes(head)
  if (position + bytes > size) return 'the file ends in a frame'
  const frame = readRange(file, position, bytes)
  const payloadAt = HEAD_BYTES + head.tableBytes
  const table = frame.subarray(HEAD_BYTES, payloadAt)
  if (frame.byteLength < bytes || crc32(table) !== head.tableCrc) return 'the record table does not match its CRC'
  const decoded = decodeTable(table, head.records)
  if (!decoded) return 'the record table does not add up'
  const payloads = frame.subarray(payloadAt, payloadAt + head.payloadBytes)
  if (!payloadsMatch(decoded, payloads)) return 'an entry does not match its CRC'
  if (!isZero(frame.subarray(payloadAt + head.payloadBytes))) return 'the padding is not zero'
  return { ...decoded, head, position, bytes, payloadPosition: position + payloadAt, payloads }
}

function payloadsMatch({ records }: DecodedTable, payloads: Uint8Array): boolean {
  let at = 0
  for (const { rows } of records) {
    for (let i = 0; rows && i < rows.count; i++) {
      const end = at + rowBytes(rows, i)
      if (end > payloads.byteLength || crc32(payloads.subarray(at, end)) !== rowCrc(rows, i)) return false
      at = end
    }
  }
  return at === payloads.byteLength
}

/**
 * Looks from `from` on for the head of a batch that `matches`, at any byte: where a range was cut out, what follows is no
 * longer aligned. `zero`: there is nothing at all.
 */
async function findBatch(
  { file, size, slice }: ScanSource,
  from: number,
  matches: (head: FrameHead) => boolean,
): Promise<{ readonly found: boolean; readonly zero: boolean }> {
  const left = Math.max(0, size - from)
  let zero = true
  const window = Buffer.alloc(Math.min(WINDOW_BYTES, left))
  // Windows overlap, so that every head lies in one of them as a whole.
  for (let position = from; position + HEAD_BYTES <= size; position += WINDOW_BYTES - HEAD_BYTES) {
    if (slice?.spent()) await slice.rest()
    const bytes = window.subarray(0, file.readSync(window, position))
    if (isZero(bytes)) continue
    zero = false
    for (let at = bytes.indexOf(BATCH_MAGIC); at >= 0; at = bytes.indexOf(BATCH_MAGIC, at + 1)) {
      if (at + HEAD_BYTES > bytes.byteLength) break
      const head = readHead(bytes.subarray(at, at + HEAD_BYTES))
      if (head?.kind === 'batch' && matches(head)) return { found: true, zero }
    }
  }
  return { found: false, zero: zero && isZero(readRange(file, from, Math.min(HEAD_BYTES, left))) }
}
