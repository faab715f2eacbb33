/**
 * A replica whose log is whole but whose applied state was lost (an extension of §7): it goes on voting and acknowledging,
 * for both rest on the log alone, applies nothing, does not run, and asks its leader for a snapshot with every answer to a
 * heartbeat. Invariant: nothing that it acknowledged is thrown away; where the log has the snapshot's last entry it stays.
 */
import type { SnapshotMeta } from '../base/log-entry.ts'
import { restoreConfiguration } from './membership.ts'
import type { PeerProgress } from './progress.ts'
import type { MessageFields, RaftState } from './state.ts'
import { send } from './state.ts'

const NOTHING: MessageFields = {}

/** What a heartbeat's answer says beside the heartbeat: a snapshot must reach the log's beginning to be of use. */
export function askForSnapshot(r: RaftState): MessageFields {
  if (!r.log.stateLost || underWay(r)) return NOTHING
  return { reject: true, index: r.log.firstIndex - 1 }
}

/** The leader's half. Replication goes on beside the snapshot: the replica's log lacks nothing. */
export function trySendReplacement(r: RaftState, peer: PeerProgress, atLeast: number): void {
  // One at a time, until the host reports how it went; one that a compacted log needs does as well.
  if (peer.replacing || peer.state === 'snapshot') return
  const snapshot = r.log.snapshot(atLeast)
  if (snapshot === undefined) {
    r.observe?.({ type: 'snapshotUnavailable', to: peer.id })
    return
  }
  peer.replacing = true
  send(r, 'installSnapshot', peer.id, { snapshot })
}

/** Whether `snapshot` can take the place of the lost state while the log stays as it is. */
export function replacesState(r: RaftState, snapshot: SnapshotMeta): boolean {
  return r.log.stateLost && !underWay(r) && r.log.matches(snapshot)
}

export function replaceState(r: RaftState, snapshot: SnapshotMeta): void {
  r.replacement = snapshot
  r.log.commitTo(snapshot.index)
  restoreConfiguration(r, snapshot.confState)
}

/** One that restarts the log replaces the state as well. */
function underWay(r: RaftState): boolean {
  return r.replacement !== undefined || r.log.unstable.snapshot !== undefined
}
