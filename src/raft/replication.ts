/**
 * What a leader learns from its followers (§5.3): acknowledgements move matchIndex and the commit index, refusals move
 * nextIndex back, silence and lost snapshots slow it down.
 */
import { broadcastAppend, trySendAppend } from './append-entries.ts'
import { maybeCommit } from './commit.ts'
import { findConflictByTerm } from './log-match.ts'
import { trySendReplacement } from './lost-state.ts'
import type { PeerProgress } from './progress.ts'
import { viewProgress } from './progress-view.ts'
import { confirmReads, releaseEarlyReads } from './read-index.ts'
import type { RaftState } from './state.ts'
import { continueTransfer } from './transfer.ts'
import type { Message } from './types.ts'

export function handleAppendResponse(r: RaftState, peer: PeerProgress, m: Message): void {
  peer.recentActive = true
  if (m.reject) handleRejection(r, peer, m)
  else handleAcknowledgement(r, peer, m.index)
}

export function handleHeartbeatResponse(r: RaftState, peer: PeerProgress, m: Message): void {
  peer.recentActive = true
  peer.flowPaused = false
  // An empty append gets through a window whose appends were all lost, and brings a probe that is up to date back.
  if (peer.match < r.log.lastIndex || peer.state === 'probe') trySendAppend(r, peer, true)
  peer.stateLost = m.reject
  if (m.reject) trySendReplacement(r, peer, m.index)
  confirmReads(r, m)
}

export function handleUnreachable(r: RaftState, peer: PeerProgress): void {
  // Messages of the window may be lost: one at a time until the next acknowledgement.
  if (peer.state === 'replicate') peer.becomeProbe()
  r.observe?.({ type: 'unreachable', progress: viewProgress(peer) })
}

export function handleSnapshotStatus(r: RaftState, peer: PeerProgress, ok: boolean): void {
  // However it went: as long as its state is lost the replica asks again.
  peer.replacing = false
  if (peer.state !== 'snapshot') return
  // A failed snapshot was not applied: probing starts from what was known before it.
  if (!ok) peer.pendingSnapshot = 0
  peer.becomeProbe()
  r.observe?.({ type: 'snapshotReported', ok, progress: viewProgress(peer) })
  // Arrived: its acknowledgement resumes. Lost: the next heartbeat's answer does, which spaces the attempts.
  peer.flowPaused = true
}

function handleRejection(r: RaftState, peer: PeerProgress, m: Message): void {
  r.observe?.({ type: 'rejectionReceived', message: m })
  // The follower's hint says: at `rejectHint` it has `logTerm`. What the leader has beyond that term there cannot match.
  const hint = m.logTerm > 0 ? findConflictByTerm(r.log, { index: m.rejectHint, term: m.logTerm }).index : m.rejectHint
  if (!peer.maybeDecrement(m.index, hint)) return
  r.observe?.({ type: 'progressDecreased', progress: viewProgress(peer) })
  if (peer.state === 'replicate') peer.becomeProbe()
  trySendAppend(r, peer, true)
}

function handleAcknowledgement(r: RaftState, peer: PeerProgress, index: number): void {
  // A probe that confirms what was known still ends the probing.
  const confirmsProbe = peer.match === index && peer.state === 'probe'
  if (!peer.maybeUpdate(index) && !confirmsProbe) return
  resumeReplication(r, peer, index)
  if (maybeCommit(r)) {
    releaseEarlyReads(r)
    broadcastAppend(r)
  } else if (peer.id !== r.id && peer.canBumpCommit(r.log.committed)) {
    trySendAppend(r, peer, true)
  }
  if (peer.id === r.id) return
  // Acknowledgements open the window: send as much as fits in it.
  while (trySendAppend(r, peer, false));
  continueTransfer(r, peer.id)
}

function resumeReplication(r: RaftState, peer: PeerProgress, index: number): void {
  if (peer.state === 'probe') {
    peer.becomeReplicate()
  } else if (peer.state === 'replicate') {
    peer.inflights.freeUpTo(index)
  } else if (peer.match + 1 >= r.log.firstIndex) {
    // However it got there, through this snapshot or another way, the log reaches it again.
    r.observe?.({ type: 'snapshotRecovered', progress: viewProgress(peer) })
    peer.becomeProbe()
    peer.becomeReplicate()
  }
}
