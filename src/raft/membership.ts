/**
 * Configurations in force (§6; §4 of the dissertation): a change counts from the moment it is applied. A joint one that
 * leaves by itself does so as soon as the leader has applied it.
 */
import { assert } from '../base/assert.ts'
import type { ConfState } from '../base/log-entry.ts'
import { broadcastAppend, trySendAppend } from './append-entries.ts'
import { maybeCommit } from './commit.ts'
import type { ConfChange } from './conf-change.ts'
import { encodeConfChange, LEAVE_JOINT } from './conf-change.ts'
import { changeConfiguration, members, voterIds } from './configuration.ts'
import type { PeerProgress } from './progress.ts'
import { propose } from './propose.ts'
import { releaseReads } from './read-index.ts'
import type { RaftState } from './state.ts'
import { becomeFollower } from './term.ts'
import { abortTransfer, transferLeadership } from './transfer.ts'

/** A committed change is applied. It was checked when proposed, so that failing here means that the log is not ours. */
export function applyConfChange(r: RaftState, change: ConfChange): ConfState {
  const changed = changeConfiguration(r.appliedConf, change)
  assert(!('refused' in changed), 'a committed configuration change can be applied')
  r.appliedConf = changed.next
  // Handed out before a snapshot came that is not installed yet: the snapshot's configuration is in force and newer.
  if (r.log.unstable.snapshot === undefined) switchTo(r, changed.next, changed.restarted)
  return changed.next
}

/** Takes over a configuration known from a snapshot or a start, all progress beginning anew. */
export function restoreConfiguration(r: RaftState, conf: ConfState): void {
  r.progress = new Map()
  switchTo(r, conf, new Set())
}

/** The host applied everything up to `index`. */
export function appliedTo(r: RaftState, index: number): void {
  assert(index <= r.log.committed, 'only committed entries are applied')
  const payload = r.log.window.appliedTo(index)
  r.uncommittedBytes = Math.max(0, r.uncommittedBytes - payload)
  leaveJointIfDue(r)
}

/** A joint configuration that leaves by itself does so once its leader has applied it; tried until it is proposed. */
export function leaveJointIfDue(r: RaftState): void {
  if (!r.conf.autoLeave || r.role !== 'leader' || r.log.applied < r.pendingConfIndex) return
  if (r.config.stepDownOnRemoval && !r.conf.voters.includes(r.id)) {
    // A leader that leaves with the old half may hold entries which the voters that stay lack and must vote past: with
    // its log the longer one they could never elect one of themselves. One of them leaves the joint configuration.
    if (r.transferee === 0 && !r.restsFromTry) tryHeir(r)
    return
  }
  // Its payload is empty, so that only a transfer can refuse it.
  const left = propose(r, [{ type: 'confChange', data: encodeConfChange(LEAVE_JOINT) }])
  if ('refused' in left) r.observe?.({ type: 'autoLeaveRefused', conf: r.conf, reason: 'transferring' })
  else r.observe?.({ type: 'autoLeaveStarted', conf: r.conf })
}

/** A replica that may vote here without knowing a committed change must not start an election under the old one. */
export function hasUnappliedConfChange(r: RaftState): boolean {
  return r.log.hasConfChange(r.log.applied + 1, r.log.committed + 1)
}

/**
 * Hands over to the most advanced voter that was heard from lately, never to the same twice running: who is dead takes
 * nothing over, and nothing is proposed while it is waited for.
 */
function tryHeir(r: RaftState): void {
  let heir: PeerProgress | undefined
  for (const id of r.conf.voters) {
    const peer = r.progress.get(id)
    if (peer === undefined || id === r.triedHeir || !peer.recentActive || peer.stateLost) continue
    if (heir === undefined || peer.match > heir.match) heir = peer
  }
  r.triedHeir = heir?.id ?? 0
  if (heir !== undefined) transferLeadership(r, heir.id)
}

function switchTo(r: RaftState, conf: ConfState, restarted: ReadonlySet<number>): void {
  r.conf = conf
  r.progress = progressFor(r, conf, restarted)
  r.observe?.({ type: 'configurationSwitched', conf })
  const own = r.progress.get(r.id)
  if (r.role !== 'leader') return
  if (own === undefined || own.learner) {
    // Removed or demoted: it may finish what it began, or make room for a leader that is a member.
    if (r.config.stepDownOnRemoval) becomeFollower(r, r.term, 0)
    return
  }
  reconsider(r)
}

/** A new configuration may need fewer acknowledgements, have replicas that know nothing yet, or lack the heir. */
function reconsider(r: RaftState): void {
  if (maybeCommit(r)) {
    broadcastAppend(r)
  } else {
    for (const peer of r.progress.values()) {
      if (peer.id !== r.id) trySendAppend(r, peer, false)
    }
  }
  releaseReads(r)
  if (r.transferee !== 0 && !voterIds(r.conf).includes(r.transferee)) abortTransfer(r)
}

function progressFor(r: RaftState, conf: ConfState, restarted: ReadonlySet<number>): RaftState['progress'] {
  const last = r.log.lastIndex
  const next: [number, PeerProgress][] = []
  for (const id of members(conf)) {
    const learner = conf.learners.includes(id)
    const kept = restarted.has(id) ? undefined : r.progress.get(id)
    const peer = kept ?? r.newProgress(id, Math.max(last, 1), learner)
    // Counted as active at first, or the next quorum check would depose the leader that has just added it.
    if (kept === undefined) peer.recentActive = true
    peer.learner = learner
    next.push([id, peer])
  }
  return new Map(next)
}
