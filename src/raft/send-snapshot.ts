/**
 * Sending a snapshot (§7) to a replica whose next entry is no longer in the log. Until the host reports how it went, or
 * the replica acknowledges enough by itself, nothing else is sent to it.
 */
import { assert } from '../base/assert.ts'
import type { PeerProgress } from './progress.ts'
import { viewProgress } from './progress-view.ts'
import type { RaftState } from './state.ts'
import { send } from './state.ts'

/** False if the replica was silent lately, or no snapshot can be had yet. */
export function trySendSnapshot(r: RaftState, peer: PeerProgress): boolean {
  if (!peer.recentActive) {
    r.observe?.({ type: 'snapshotReceiverInactive', to: peer.id })
    return false
  }
  const snapshot = r.log.snapshot()
  if (snapshot === undefined) {
    r.observe?.({ type: 'snapshotUnavailable', to: peer.id })
    return false
  }
  assert(snapshot.index > 0, 'a log that does not begin at 1 has a snapshot before it')
  const firstIndex = r.log.firstIndex
  r.observe?.({ type: 'snapshotSent', to: peer.id, snapshot, firstIndex, progress: viewProgress(peer) })
  peer.becomeSnapshot(snapshot.index)
  r.observe?.({ type: 'replicationPaused', progress: viewProgress(peer) })
  send(r, 'installSnapshot', peer.id, { snapshot })
  return true
}
