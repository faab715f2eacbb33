/** Progress as status and events show it. */
import type { PeerProgress } from './progress.ts'
import type { Progress } from './types.ts'

export function viewProgress(peer: PeerProgress): Progress {
  return {
    id: peer.id,
    match: peer.match,
    next: peer.next,
    state: peer.state,
    pendingSnapshot: peer.pendingSnapshot,
    recentActive: peer.recentActive,
    paused: peer.paused,
    learner: peer.learner,
    stateLost: peer.stateLost,
    awaitsSnapshot: peer.state === 'snapshot' || peer.replacing,
    inflight: peer.inflights.count,
    inflightBytes: peer.inflights.bytes,
    inflightFull: peer.inflights.full,
  }
}
