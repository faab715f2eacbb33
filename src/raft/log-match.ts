/**
 * The log matching property (§5.3): finding where two logs part, entry by entry for an append, term by term for a hint
 * that spares one round trip per conflicting entry.
 */
import { assert } from '../base/assert.ts'
import type { Entry } from '../base/log-entry.ts'
import type { RaftLog } from './log.ts'
import type { LogPosition } from './unstable.ts'

export interface AppendSlice {
  readonly prev: LogPosition
  readonly entries: readonly Entry[]
  readonly commit: number
}

/** Told of a conflict; see RaftEvent. */
export type OnConflict = (index: number, existingTerm: number, conflictingTerm: number) => void

/**
 * Appends a leader's entries if the log has `prev`; answers the last index that is then known to match, or undefined
 * for a mismatch. Only a true conflict truncates: a delayed or repeated append leaves what follows it alone.
 */
export function maybeAppend(log: RaftLog, slice: AppendSlice, onConflict?: OnConflict): number | undefined {
  if (!log.matches(slice.prev)) return undefined
  const matched = slice.prev.index + slice.entries.length
  const conflict = findConflict(log, slice.entries, onConflict)
  if (conflict !== undefined) {
    assert(conflict > log.committed, 'a leader never contradicts a committed entry')
    log.append(slice.entries.slice(conflict - slice.prev.index - 1))
  }
  // What lies behind `matched` may be a stale tail, so the leader's commit index is taken only up to it.
  log.commitTo(Math.min(slice.commit, matched))
  return matched
}

/** The largest index up to `from.index` whose term is at most `from.term`; its term is 0 where the log does not know it. */
export function findConflictByTerm(log: RaftLog, from: LogPosition): LogPosition {
  for (let index = from.index; index > 0; index--) {
    const term = log.term(index)
    if (term === undefined) return { index, term: 0 }
    if (term <= from.term) return { index, term }
  }
  return { index: 0, term: 0 }
}

/** Index of the first of `entries` that the log lacks or has with another term. */
function findConflict(log: RaftLog, entries: readonly Entry[], onConflict?: OnConflict): number | undefined {
  for (const entry of entries) {
    const existing = log.term(entry.index)
    if (existing === entry.term) continue
    if (entry.index <= log.lastIndex) onConflict?.(entry.index, existing ?? 0, entry.term)
    return entry.index
  }
  return undefined
}
