/**
 * Installing a snapshot (§7): the log starts again behind it, with its configuration, unless the log already has the
 * snapshot's last entry; then only the commit index moves. Invariant: nothing committed is thrown away.
 */
import { assert } from '../base/assert.ts'
import type { SnapshotMeta } from '../base/log-entry.ts'
import { members } from './configuration.ts'
import { replaceState, replacesState } from './lost-state.ts'
import { restoreConfiguration } from './membership.ts'
import type { RaftState } from './state.ts'
import { send } from './state.ts'
import type { Message } from './types.ts'

/** A follower's half; the message is from the leader of this term. */
export function handleSnapshot(r: RaftState, m: Message): void {
  const snapshot = m.snapshot
  assert(snapshot !== undefined, 'installSnapshot carries a snapshot')
  const installed = restore(r, snapshot)
  r.observe?.({ type: 'snapshotHandled', snapshot, installed })
  send(r, 'appendEntriesResponse', m.from, { index: r.log.committed })
}

function restore(r: RaftState, snapshot: SnapshotMeta): boolean {
  const replaces = replacesState(r, snapshot)
  if (snapshot.index <= r.log.committed && !replaces) return false
  // One that takes the place of a lost state is under way; it asks again if it needs another.
  if (r.replacement !== undefined) return false
  assert(r.role === 'follower', 'only a follower installs a snapshot')
  if (!members(snapshot.confState).includes(r.id)) {
    r.observe?.({ type: 'snapshotStranger', snapshot })
    return false
  }
  if (replaces) {
    replaceState(r, snapshot)
    return true
  }
  const { index, term } = snapshot
  const last = r.log.last
  if (r.log.matches({ index, term })) {
    r.observe?.({ type: 'snapshotFastForward', snapshot, last })
    r.log.commitTo(index)
    return false
  }
  r.observe?.({ type: 'snapshotRestoring', snapshot, log: r.log.extent })
  r.log.restore(snapshot)
  restoreConfiguration(r, snapshot.confState)
  r.observe?.({ type: 'snapshotRestored', snapshot })
  return true
}
