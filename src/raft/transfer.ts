/**
 * Leadership transfer (§3.10 of the dissertation): the leader brings its heir's log up to date, then tells it to run at
 * once. It gives up after one election timeout; until then it takes no proposals, or the heir would never catch up.
 */
import { trySendAppend } from './append-entries.ts'
import type { RaftState } from './state.ts'
import { send } from './state.ts'

export function transferLeadership(r: RaftState, to: number): void {
  if (r.role === 'leader') startTransfer(r, to)
  else if (r.role === 'follower' && r.leader !== 0) send(r, 'transferLeader', r.leader, { from: to })
  else if (r.role === 'follower') r.observe?.({ type: 'requestDropped', request: 'leaderTransfer', reason: 'noLeader' })
}

/** An acknowledgement came: if the heir has everything now, it may run. */
export function continueTransfer(r: RaftState, from: number): void {
  if (from !== r.transferee || r.progress.get(from)?.match !== r.log.lastIndex) return
  r.observe?.({ type: 'timeoutNowSent', to: from, immediately: false })
  send(r, 'timeoutNow', from)
}

export function abortTransfer(r: RaftState): void {
  r.transferee = 0
}

function startTransfer(r: RaftState, to: number): void {
  const heir = r.progress.get(to)
  if (heir === undefined) {
    r.observe?.({ type: 'noProgress', from: to })
    return
  }
  if (heir.learner) {
    r.observe?.({ type: 'transferIgnored', to, reason: 'learner' })
    return
  }
  if (heir.stateLost) {
    r.observe?.({ type: 'transferIgnored', to, reason: 'stateLost' })
    return
  }
  if (r.transferee === to) {
    r.observe?.({ type: 'transferIgnored', to, reason: 'inProgress' })
    return
  }
  if (r.transferee !== 0) {
    const previous = r.transferee
    abortTransfer(r)
    r.observe?.({ type: 'transferReplaced', previous, to })
  }
  if (to === r.id) {
    r.observe?.({ type: 'transferIgnored', to, reason: 'alreadyLeader' })
    return
  }
  r.observe?.({ type: 'transferStarted', to })
  r.electionElapsed = 0
  r.transferee = to
  if (heir.match === r.log.lastIndex) {
    send(r, 'timeoutNow', to)
    r.observe?.({ type: 'timeoutNowSent', to, immediately: true })
  } else {
    trySendAppend(r, heir, true)
  }
}
