/**
 * AppendEntries (§5.3): a leader appends to its own log and sends what each replica lacks; a follower takes it if its
 * log matches before. An empty append carries the commit index.
 */
import type { Entry } from '../base/log-entry.ts'
import { payloadBytes } from './entry-size.ts'
import { findConflictByTerm, maybeAppend } from './log-match.ts'
import type { PeerProgress } from './progress.ts'
import { trySendSnapshot } from './send-snapshot.ts'
import type { RaftState } from './state.ts'
import { send } from './state.ts'
import type { Message } from './types.ts'

/** An entry without its place. */
export type NewEntry = Pick<Entry, 'type' | 'data'>

/**
 * Appends to the leader's own log, all or none; false if more than `maxUncommittedBytes` would be under way. A payload
 * that is larger by itself passes when nothing else is.
 */
export function appendOwn(r: RaftState, fresh: readonly NewEntry[]): boolean {
  const last = r.log.lastIndex
  const entries = fresh.map(({ type, data }, at) => ({ term: r.term, index: last + 1 + at, type, data }))
  const bytes = payloadBytes(entries)
  if (r.uncommittedBytes > 0 && bytes > 0 && r.uncommittedBytes + bytes > r.config.maxUncommittedBytes) return false
  r.uncommittedBytes += bytes
  r.idleTicks = 0
  r.log.append(entries)
  // The leader counts itself like any other replica: when its own write is durable.
  send(r, 'appendEntriesResponse', r.id, { index: last + entries.length })
  return true
}

/** Sends to everybody else what they lack, and the commit index even if nothing. */
export function broadcastAppend(r: RaftState): void {
  for (const peer of r.progress.values()) {
    if (peer.id !== r.id) trySendAppend(r, peer, true)
  }
}

/** Sends one append, or a snapshot if the log no longer reaches back; false if paused or, without `evenIfEmpty`, nothing new. */
export function trySendAppend(r: RaftState, peer: PeerProgress, evenIfEmpty: boolean): boolean {
  if (peer.paused) return false
  const prev = peer.next - 1
  const prevTerm = r.log.term(prev)
  if (prevTerm === undefined) return trySendSnapshot(r, peer)
  // With a full window only empty appends go: if everything in it was lost, one of them finds that out.
  const throttled = peer.state === 'replicate' && peer.inflights.full
  const entries = throttled ? [] : r.log.entriesFrom(peer.next, r.config.maxBytesPerMessage)
  if (entries === undefined) return trySendSnapshot(r, peer)
  if (entries.length === 0 && !evenIfEmpty) return false
  send(r, 'appendEntries', peer.id, { index: prev, logTerm: prevTerm, entries, commit: r.log.committed })
  peer.sentEntries(entries.length, payloadBytes(entries))
  peer.sentCommit = r.log.committed
  return true
}

/** A follower's half: the append is from the leader of this term. */
export function handleAppendEntries(r: RaftState, m: Message): void {
  if (m.index < r.log.committed) {
    // Everything up to the commit index matches by definition; what lies before it is perhaps compacted.
    send(r, 'appendEntriesResponse', m.from, { index: r.log.committed })
    return
  }
  const prev = { index: m.index, term: m.logTerm }
  const observe = r.observe
  const onConflict =
    observe === undefined
      ? undefined
      : (index: number, existingTerm: number, conflictingTerm: number) =>
          observe({ type: 'conflictFound', index, existingTerm, conflictingTerm })
  const matched = maybeAppend(r.log, { prev, entries: m.entries, commit: m.commit }, onConflict)
  if (matched !== undefined) {
    send(r, 'appendEntriesResponse', m.from, { index: matched })
    return
  }
  observe?.({ type: 'appendRejected', message: m, ownTerm: r.log.term(m.index) ?? 0 })
  // The hint skips all entries of terms that the leader cannot have at that place (end of §5.3, by term).
  const hint = findConflictByTerm(r.log, { index: Math.min(m.index, r.log.lastIndex), term: m.logTerm })
  send(r, 'appendEntriesResponse', m.from, {
    index: m.index,
    reject: true,
    rejectHint: hint.index,
    logTerm: hint.term,
  })
}
