/**
 * Heartbeats (§5.2): they hold elections off, carry the commit index and confirm reads. A heartbeat's commit index
 * never exceeds what the replica is known to have.
 */
import { askForSnapshot } from './lost-state.ts'
import type { RaftState } from './state.ts'
import { send } from './state.ts'
import type { Message } from './types.ts'

export function broadcastHeartbeat(r: RaftState): void {
  const context = r.reads.lastPending
  r.reads.heartbeatSent()
  for (const peer of r.progress.values()) {
    if (peer.id === r.id) continue
    const commit = Math.min(peer.match, r.log.committed)
    send(r, 'heartbeat', peer.id, { commit, context })
    peer.sentCommit = commit
  }
}

export function handleHeartbeat(r: RaftState, m: Message): void {
  r.log.commitTo(m.commit)
  send(r, 'heartbeatResponse', m.from, { context: m.context, ...askForSnapshot(r) })
}
