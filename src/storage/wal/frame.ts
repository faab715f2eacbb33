/**
 * The unit of the log on disk (docs/formats.md, Write-ahead log): a frame of 512-byte blocks = head, record table,
 * payloads, zeros. One CRC chain covers every byte: the head's CRC covers the head with the table's CRC in it, the
 * table holds the CRC of each payload, and the padding must be zero. A segment is one header frame, then batches.
 */
import { crc32 } from 'node:zlib'
import { assert } from '../../base/assert.ts'

export const BLOCK_BYTES = 512
export const HEAD_BYTES = 64
export const FORMAT_VERSION = 1

/** 'SGWH' and 'SGWB', little endian. */
const MAGIC = { header: 0x48574753, batch: 0x42574753 } as const
const AT = {
  magic: 0,
  chain: 4,
  seed: 8,
  segment: 16,
  sequence: 24,
  records: 32,
  tableBytes: 36,
  payloadBytes: 40,
  tableCrc: 44,
  version: 48,
  headCrc: 60,
} as const
const UINT32 = 2 ** 32
const ZEROS = new Uint8Array(BLOCK_BYTES)

export type FrameKind = keyof typeof MAGIC

export interface FrameHead {
  readonly kind: FrameKind
  /** `headCrc` of the frame before in this segment; 0 in the header. */
  readonly chain: number
  /** Random per segment, 16 hex digits: what an old file or a payload looks like can never pass for a batch. */
  readonly seed: string
  readonly segment: number
  /** Counts batches over all segments; a header carries that of the first batch after it. */
  readonly sequence: number
  readonly records: number
  readonly tableBytes: number
  readonly payloadBytes: number
  readonly tableCrc: number
  readonly version: number
  readonly headCrc: number
}

/** What the caller decides; lengths and CRCs come from the table. */
export interface FrameIdentity {
  readonly kind: FrameKind
  readonly chain: number
  readonly seed: string
  readonly segment: number
  readonly sequence: number
}

/** Bytes of a frame on disk, padding included. */
export function frameBytes(head: { readonly tableBytes: number; readonly payloadBytes: number }): number {
  return aligned(HEAD_BYTES + head.tableBytes + head.payloadBytes)
}

/**
 * Writes the head into the first HEAD_BYTES of `block`, whose rest is the record table, complete with payload CRCs.
 * Returns the head's CRC, which the next frame carries as its chain.
 */
export function sealFrame(block: Uint8Array, id: FrameIdentity, records: number, payloadBytes: number): number {
  assert(payloadBytes < UINT32 && block.byteLength < UINT32, 'a frame is below 4 GiB')
  const view = viewOf(block)
  view.setUint32(AT.magic, MAGIC[id.kind], true)
  view.setUint32(AT.chain, id.chain, true)
  view.setUint32(AT.seed, Number.parseInt(id.seed.slice(0, 8), 16), true)
  view.setUint32(AT.seed + 4, Number.parseInt(id.seed.slice(8, 16), 16), true)
  writeU64(view, AT.segment, id.segment)
  writeU64(view, AT.sequence, id.sequence)
  view.setUint32(AT.records, records, true)
  view.setUint32(AT.tableBytes, block.byteLength - HEAD_BYTES, true)
  view.setUint32(AT.payloadBytes, payloadBytes, true)
  view.setUint32(AT.tableCrc, crc32(block.subarray(HEAD_BYTES)), true)
  view.setUint32(AT.version, FORMAT_VERSION, true)
  const headCrc = crc32(block.subarray(0, AT.headCrc))
  view.setUint32(AT.headCrc, headCrc, true)
  return headCrc
}

/** The zeros that fill a frame of `bytes` up to whole blocks. */
export function padding(bytes: number): Uint8Array {
  return ZEROS.subarray(0, aligned(bytes) - bytes)
}

/** The head at the start of `bytes` (at least HEAD_BYTES), or undefined unless magic, CRC and reserved bytes hold. */
export function readHead(bytes: Uint8Array): FrameHead | undefined {
  const view = viewOf(bytes)
  const magic = view.getUint32(AT.magic, true)
  if (magic !== MAGIC.batch && magic !== MAGIC.header) return undefined
  const headCrc = view.getUint32(AT.headCrc, true)
  if (crc32(bytes.subarray(0, AT.headCrc)) !== headCrc) return undefined
  return {
    kind: magic === MAGIC.batch ? 'batch' : 'header',
    chain: view.getUint32(AT.chain, true),
    seed: hex32(view.getUint32(AT.seed, true)) + hex32(view.getUint32(AT.seed + 4, true)),
    segment: readU64(view, AT.segment),
    sequence: readU64(view, AT.sequence),
    records: view.getUint32(AT.records, true),
    tableBytes: view.getUint32(AT.tableBytes, true),
    payloadBytes: view.getUint32(AT.payloadBytes, true),
    tableCrc: view.getUint32(AT.tableCrc, true),
    version: view.getUint32(AT.version, true),
    headCrc,
  }
}

/** A segment's seed from 8 random bytes. */
export function seedFrom(random: Uint8Array): string {
  assert(random.byteLength === 8, 'a seed is 8 bytes')
  return Buffer.from(random).toString('hex')
}

export function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.byteLength; at += BLOCK_BYTES) {
    const part = bytes.subarray(at, at + BLOCK_BYTES)
    if (Buffer.compare(part, ZEROS.subarray(0, part.byteLength)) !== 0) return false
  }
  return true
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Numbers below 2^53 as 64 bits, little endian: no BigInt on the way to the disk. */
export function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % UINT32, true)
  view.setUint32(at + 4, Math.floor(value / UINT32), true)
}

export function readU64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * UINT32
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, '0')
}
