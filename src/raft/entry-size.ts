/** How much an entry counts against the bounds on messages, batches and what is not committed yet. */
import type { Entry } from '../base/log-entry.ts'

/** Term, index, type and framing; keeps the size of an empty entry positive. */
const ENTRY_OVERHEAD_BYTES = 16

/** Bytes of payload alone: an empty entry (a leader's first, leaving a joint configuration) weighs nothing and is never refused. */
export function payloadBytes(entries: readonly Entry[]): number {
  let bytes = 0
  for (const entry of entries) bytes += entry.data.length
  return bytes
}

/** Bytes as sent or applied. */
export function entriesBytes(entries: readonly Entry[]): number {
  return payloadBytes(entries) + ENTRY_OVERHEAD_BYTES * entries.length
}

/** The longest prefix within `bytesMax`, but at least one entry if there is any. */
export function limitBytes(entries: readonly Entry[], bytesMax: number): readonly Entry[] {
  let bytes = 0
  for (let i = 0; i < entries.length; i++) {
    bytes += (entries[i]?.data.length ?? 0) + ENTRY_OVERHEAD_BYTES
    if (bytes > bytesMax && i > 0) return entries.slice(0, i)
  }
  return entries
}
