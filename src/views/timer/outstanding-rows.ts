/**
 * Outstanding messages as bytes, for the rows of a checkpoint and for cold blocks. Written by position, each as its
 * difference from the one before, so that equal tables give equal bytes whatever order their slots have.
 */
import { ByteReader, ByteWriter } from './bytes.ts'
import type { SlotColumns } from './slots.ts'

/** One outstanding message outside its table. */
export interface OutstandingRecord {
  readonly due: number
  readonly index: number
  readonly count: number
  readonly hasReason: boolean
  /** A lease's deadline, or the time from which a waiting one is redelivered. */
  readonly time: number
  readonly lease: LeaseRecord | undefined
}

interface LeaseRecord {
  /** Number of the session that holds it. */
  readonly session: number
  readonly fence: number
  readonly leaseMs: number
}

/** What a row says of a slot. */
export function recordOf(columns: SlotColumns, slot: number): OutstandingRecord {
  const { due, index, count, hasReason, time, fence, leaseMs, holder } = columns
  const session = holder[slot]
  return {
    due: due[slot] as number,
    index: index[slot] as number,
    count: count[slot] as number,
    hasReason: hasReason[slot] === 1,
    time: time[slot] as number,
    lease:
      session === undefined
        ? undefined
        : { session: session.number, fence: fence[slot] as number, leaseMs: leaseMs[slot] as number },
  }
}

const LEASED = 1
const WITH_REASON = 2

export function encodeRecords(records: readonly OutstandingRecord[]): Uint8Array {
  const out = new ByteWriter(16 + records.length * 12)
  out.number(records.length)
  let due = 0
  let index = 0
  let fence = 0
  for (const record of records) {
    out.signed(record.due - due)
    out.signed(record.index - index)
    const { lease } = record
    out.number(record.count * 4 + (lease === undefined ? 0 : LEASED) + (record.hasReason ? WITH_REASON : 0))
    if (lease === undefined) {
      out.signed(record.time - record.due)
    } else {
      out.number(lease.session)
      out.signed(lease.fence - fence)
      out.endless(record.time)
      out.endless(lease.leaseMs)
      fence = lease.fence
    }
    due = record.due
    index = record.index
  }
  return out.finish()
}

export function decodeRecords(bytes: Uint8Array): OutstandingRecord[] {
  const input = new ByteReader(bytes)
  const length = input.count()
  const records: OutstandingRecord[] = []
  let due = 0
  let index = 0
  let fence = 0
  for (let i = 0; i < length; i++) {
    due += input.signed()
    index += input.signed()
    const flags = input.number()
    const count = Math.floor(flags / 4)
    const hasReason = (flags & WITH_REASON) !== 0
    if ((flags & LEASED) === 0) {
      records.push({ due, index, count, hasReason, time: due + input.signed(), lease: undefined })
      continue
    }
    const session = input.number()
    fence += input.signed()
    const time = input.endless()
    records.push({ due, index, count, hasReason, time, lease: { session, fence, leaseMs: input.endless() } })
  }
  input.end()
  return records
}

/** Order by (due, index). */
export function byPosition(a: { due: number; index: number }, b: { due: number; index: number }): number {
  return a.due - b.due || a.index - b.index
}
