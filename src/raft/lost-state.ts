/**
 * A replica whose log is whole but whose applied state was lost (an extension of §7): it goes on voting and acknowledging,
 * for both rest on the log alone, applies nothing, does not run, and asks its leader for a snapshot with every answer to a
 * heartbeat. Invariant: nothing that it acknowledged is thrown away; where the log has the snapshot's last entry it stays.
 */
import type { SnapshotMeta } from '../base/log-entry.ts'
import { restoreConfiguration } from './membership.ts'
import type { PeerProgress } from './progress.ts'
import { doubt } from './quiesce.ts'
import type { MessageFields, RaftState } from './state.ts'
import { send } from './state.ts'
import { becomeFollower } from './term.ts'

const NOTHING: MessageFields = {}

/**
 * The host found the state damaged: from now on it counts as lost, and what was handed out to be applied as never applied.
 * A leader steps down, since it serves from its state, and tells the voter furthest in the log to run at once. False: it
 * was lost before, or a snapshot that replaces it is on its way.
 */
export function loseState(r: RaftState): boolean {
  if (r.log.stateLost || underWay(r)) return false
  const heir = r.role === 'leader' ? furthestVoter(r) : undefined
  r.log.loseState()
  // Nobody sends heartbeats to a sleeper, and only their answers ask for a snapshot.
  doubt(r)
  if (heir !== undefined) send(r, 'timeoutNow', heir)
  if (r.role !== 'follower') becomeFollower(r, r.term, 0)
  return true
}

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

function furthestVoter(r: RaftState): number | undefined {
  let best: PeerProgress | undefined
  for (const peer of r.progress.values()) {
    const canRun = peer.id !== r.id && r.conf.voters.includes(peer.id) && peer.recentActive && !peer.stateLost
    if (canRun && (best === undefined || peer.match > best.match)) best = peer
  }
  return best?.id
}

/** One that restarts the log replaces the state as well. */
function underWay(r: RaftState): boolean {
  return r.replacement !== undefined || r.log.unstable.snapshot !== undefined
}
