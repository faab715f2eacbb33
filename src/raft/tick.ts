/**
 * Time (§5.2, §6.2 of the dissertation), counted in the host's ticks: election timeouts on one side, heartbeats, quorum checks and
 * the end of a leadership transfer on the other.
 */
import { checkQuorum, isPromotable, startElection } from './election.ts'
import { broadcastHeartbeat } from './heartbeat.ts'
import { leaveJointIfDue } from './membership.ts'
import { maybeQuiesce } from './quiesce.ts'
import { beginGranted, restartTimeout } from './stall.ts'
import type { RaftState } from './state.ts'
import { abortTransfer } from './transfer.ts'

export function tick(r: RaftState): void {
  // Its group's time stands still; the host counts for it.
  if (r.quiesced) return
  if (r.role === 'leader') tickLeader(r)
  else tickElection(r)
}

/** Starts an election as its timeout does: with a pre-vote if so configured. */
export function campaign(r: RaftState): void {
  startElection(r, r.config.preVote ? 'preElection' : 'election')
}

function tickElection(r: RaftState): void {
  r.electionElapsed++
  if (!isPromotable(r) || r.electionElapsed < r.randomizedElectionTicks) return
  restartTimeout(r)
  campaign(r)
}

function tickLeader(r: RaftState): void {
  beginGranted(r)
  r.heartbeatElapsed++
  r.electionElapsed++
  if (r.electionElapsed >= r.config.electionTicks) {
    restartTimeout(r)
    r.restsFromTry = r.transferee !== 0
    abortTransfer(r)
    // Before the count of who was heard from begins anew.
    leaveJointIfDue(r)
    if (r.config.checkQuorum) checkQuorum(r)
    if (r.role !== 'leader') return
  }
  if (maybeQuiesce(r) || r.heartbeatElapsed < r.config.heartbeatTicks) return
  r.heartbeatElapsed = 0
  broadcastHeartbeat(r)
}
