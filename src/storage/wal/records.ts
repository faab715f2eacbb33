/**
 * The record table of a frame. A record is what one write says about one replica of a group: removed, snapshot mark,
 * new base, hard state, entries; every record names group and replica, so that a log cannot continue a predecessor's.
 * Entry bytes lie behind the table in order; a row holds their length and CRC. Running and recovering apply the same
 * decoded records.
 */
import { crc32 } from 'node:zlib'
import { assert } from '../../base/assert.ts'
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import type { Entry, HardState } from '../../base/log-entry.ts'
import { readU64, viewOf, writeU64 } from './frame.ts'
import type { LogPosition } from './types.ts'

const FLAG = { removed: 1, mark: 2, base: 4, hard: 8, entries: 16, footer: 32, floor: 64 } as const
const FLAGS_PARTS = 31
const FIXED_BYTES = 24
const POSITION_BYTES = 16
const HARD_BYTES = 24
const ROW_BYTES = 20
const FOOTER_ROW_BYTES = 32
const CONF_CHANGE = 1

/** What is written about one replica. Order of effect: removed, mark, base, entries, hard. */
export interface RecordInput {
  readonly group: GroupId
  readonly replica: ReplicaId
  readonly removed?: boolean
  /** The log restarts empty behind it. */
  readonly mark?: LogPosition
  /** Entries at or below are given up; the rest stays. */
  readonly base?: LogPosition
  readonly hard?: HardState
  readonly entries?: readonly Entry[]
}

/** A replica that has records in a segment. `first` > `last`: no entries among them. */
export interface FooterRow {
  readonly group: GroupId
  readonly replica: ReplicaId
  readonly first: number
  readonly last: number
}

/** What stands in a segment; closes it, and is repeated in the header of the next. */
export interface Footer {
  readonly segment: number
  readonly rows: readonly FooterRow[]
}

/** Rows of entries, still in the table's bytes. */
export interface EntryRows {
  readonly view: DataView
  /** Of the first row in `view`. */
  readonly at: number
  readonly first: number
  readonly count: number
  /** Of all their data. */
  readonly bytes: number
}

export interface WalRecord {
  readonly group: GroupId
  readonly replica: ReplicaId
  readonly removed: boolean
  readonly mark: LogPosition | undefined
  readonly base: LogPosition | undefined
  readonly hard: HardState | undefined
  readonly rows: EntryRows | undefined
}

/** What a frame says about segments instead of replicas. */
export interface FrameExtras {
  readonly footer?: Footer | undefined
  /** The lowest segment that must exist: those below were released. */
  readonly floor?: number | undefined
}

export interface DecodedTable extends FrameExtras {
  readonly records: readonly WalRecord[]
}

export function recordBytes(record: RecordInput): number {
  let bytes = FIXED_BYTES
  if (record.mark) bytes += POSITION_BYTES
  if (record.base) bytes += POSITION_BYTES
  if (record.hard) bytes += HARD_BYTES
  if (record.entries && record.entries.length > 0) bytes += 8 + ROW_BYTES * record.entries.length
  return bytes
}

export function extrasBytes({ footer, floor }: FrameExtras): number {
  const bytes = footer ? FIXED_BYTES + FOOTER_ROW_BYTES * footer.rows.length : 0
  return floor === undefined ? bytes : bytes + FIXED_BYTES
}

/** Number of records that `writeExtras` adds. */
export function extrasCount({ footer, floor }: FrameExtras): number {
  return (footer ? 1 : 0) + (floor === undefined ? 0 : 1)
}

/** Encodes `record` at `at` and appends its entries' buffers to `payloads`, uncopied. Returns where the next begins. */
export function writeRecord(view: DataView, start: number, record: RecordInput, payloads: Uint8Array[]): number {
  const { mark, base, hard, entries } = record
  let flags = record.removed ? FLAG.removed : 0
  let at = start + FIXED_BYTES
  if (mark) {
    flags |= FLAG.mark
    at = writePosition(view, at, mark)
  }
  if (base) {
    flags |= FLAG.base
    at = writePosition(view, at, base)
  }
  if (hard) {
    flags |= FLAG.hard
    writeU64(view, at, hard.term)
    writeU64(view, at + 8, hard.vote)
    writeU64(view, at + 16, hard.commit)
    at += HARD_BYTES
  }
  const first = entries?.[0]
  if (entries && first) {
    flags |= FLAG.entries
    writeU64(view, at, first.index)
    at = writeRows(view, at + 8, entries, payloads)
  }
  view.setUint32(start, flags, true)
  view.setUint32(start + 4, entries?.length ?? 0, true)
  writeU64(view, start + 8, record.group)
  writeU64(view, start + 16, record.replica)
  return at
}

export function writeExtras(view: DataView, start: number, { footer, floor }: FrameExtras): number {
  const at = footer ? writeFooter(view, start, footer) : start
  if (floor === undefined) return at
  view.setUint32(at, FLAG.floor, true)
  writeU64(view, at + 8, floor)
  return at + FIXED_BYTES
}

function writeFooter(view: DataView, start: number, footer: Footer): number {
  view.setUint32(start, FLAG.footer, true)
  view.setUint32(start + 4, footer.rows.length, true)
  writeU64(view, start + 8, footer.segment)
  let at = start + FIXED_BYTES
  for (const row of footer.rows) {
    writeU64(view, at, row.group)
    writeU64(view, at + 8, row.replica)
    writeU64(view, at + 16, row.first)
    writeU64(view, at + 24, row.last)
    at += FOOTER_ROW_BYTES
  }
  return at
}

/** Decodes a table whose CRC holds. Undefined if it does not add up all the same. */
export function decodeTable(table: Uint8Array, count: number): DecodedTable | undefined {
  const view = viewOf(table)
  const records: WalRecord[] = []
  let footer: Footer | undefined
  let floor: number | undefined
  let at = 0
  for (let i = 0; i < count; i++) {
    if (at + FIXED_BYTES > table.byteLength) return undefined
    const flags = view.getUint32(at, true)
    const end = at + partsBytes(flags, view.getUint32(at + 4, true))
    if (end > table.byteLength) return undefined
    if (flags === FLAG.footer) footer = readFooter(view, at)
    else if (flags === FLAG.floor) floor = readU64(view, at + 8)
    else if (flags > FLAGS_PARTS) return undefined
    else records.push(readRecord(view, at, flags))
    at = end
  }
  return at === table.byteLength ? { records, footer, floor } : undefined
}

export function rowTerm(rows: EntryRows, i: number): number {
  return readU64(rows.view, rows.at + i * ROW_BYTES)
}

export function rowBytes(rows: EntryRows, i: number): number {
  return rows.view.getUint32(rows.at + i * ROW_BYTES + 8, true)
}

export function rowCrc(rows: EntryRows, i: number): number {
  return rows.view.getUint32(rows.at + i * ROW_BYTES + 12, true)
}

export function rowIsConfChange(rows: EntryRows, i: number): boolean {
  return rows.view.getUint32(rows.at + i * ROW_BYTES + 16, true) === CONF_CHANGE
}

function writeRows(view: DataView, start: number, entries: readonly Entry[], payloads: Uint8Array[]): number {
  let at = start
  for (const { term, type, data } of entries) {
    writeU64(view, at, term)
    view.setUint32(at + 8, data.byteLength, true)
    view.setUint32(at + 12, crc32(data), true)
    view.setUint32(at + 16, type === 'confChange' ? CONF_CHANGE : 0, true)
    if (data.byteLength > 0) payloads.push(data)
    at += ROW_BYTES
  }
  return at
}

function partsBytes(flags: number, count: number): number {
  if (flags === FLAG.footer) return FIXED_BYTES + FOOTER_ROW_BYTES * count
  let bytes = FIXED_BYTES
  if (flags & FLAG.mark) bytes += POSITION_BYTES
  if (flags & FLAG.base) bytes += POSITION_BYTES
  if (flags & FLAG.hard) bytes += HARD_BYTES
  if (flags & FLAG.entries) bytes += 8 + ROW_BYTES * count
  return bytes
}

function readRecord(view: DataView, start: number, flags: number): WalRecord {
  let at = start + FIXED_BYTES
  let mark: LogPosition | undefined
  let base: LogPosition | undefined
  let hard: HardState | undefined
  let rows: EntryRows | undefined
  if (flags & FLAG.mark) {
    mark = readPosition(view, at)
    at += POSITION_BYTES
  }
  if (flags & FLAG.base) {
    base = readPosition(view, at)
    at += POSITION_BYTES
  }
  if (flags & FLAG.hard) {
    hard = { term: readU64(view, at), vote: readU64(view, at + 8), commit: readU64(view, at + 16) }
    at += HARD_BYTES
  }
  if (flags & FLAG.entries) rows = readRows(view, at, view.getUint32(start + 4, true))
  const removed = (flags & FLAG.removed) !== 0
  return { group: readU64(view, start + 8), replica: readU64(view, start + 16), removed, mark, base, hard, rows }
}

function readRows(view: DataView, at: number, count: number): EntryRows {
  assert(count > 0, 'a record of entries holds one')
  let bytes = 0
  for (let i = 0; i < count; i++) bytes += view.getUint32(at + 8 + i * ROW_BYTES + 8, true)
  return { view, at: at + 8, first: readU64(view, at), count, bytes }
}

function readFooter(view: DataView, start: number): Footer {
  const rows: FooterRow[] = []
  const count = view.getUint32(start + 4, true)
  for (let i = 0; i < count; i++) {
    const at = start + FIXED_BYTES + i * FOOTER_ROW_BYTES
    rows.push({
      group: readU64(view, at),
      replica: readU64(view, at + 8),
      first: readU64(view, at + 16),
      last: readU64(view, at + 24),
    })
  }
  return { segment: readU64(view, start + 8), rows }
}

function writePosition(view: DataView, at: number, position: LogPosition): number {
  writeU64(view, at, position.index)
  writeU64(view, at + 8, position.term)
  return at + POSITION_BYTES
}

function readPosition(view: DataView, at: number): LogPosition {
  return { index: readU64(view, at), term: readU64(view, at + 8) }
}
