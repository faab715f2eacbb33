/**
 * Ticks that a host missed because it stood still or was late: they have passed, and nothing was heard in them, which says
 * nothing of the others. What came meanwhile is stepped before the next tick, and only that one acts.
 */
import type { RaftState } from './state.ts'
import { abortTransfer } from './transfer.ts'

/** `ticks` have passed without the host. To be called before anything that came meanwhile is stepped. */
export function missTicks(r: RaftState, ticks: number): void {
  // The host counts for a group that sleeps.
  if (r.quiesced) return
  if (r.role === 'leader') missedByLeader(r, ticks)
  else missedByFollower(r, ticks)
}

/** The time of an election timeout begins, and with it the right to one grant. */
export function restartTimeout(r: RaftState): void {
  r.electionElapsed = 0
  r.granted = false
}

/** Its leader is granted one heartbeat interval, once in a silence: its word may be on the way. A candidate knows none. */
function missedByFollower(r: RaftState, ticks: number): void {
  r.electionElapsed += ticks
  const { electionTicks, heartbeatTicks } = r.config
  const latest = r.randomizedElectionTicks - Math.min(heartbeatTicks, electionTicks)
  if (r.leader === 0 || r.granted || r.electionElapsed <= latest) return
  r.electionElapsed = latest
  r.granted = true
}

/**
 * A leader whose period of CheckQuorum ran out has asked nobody in it: it begins another one with a round of heartbeats, once.
 * Not under a lease for reads, which rests on periods of real time.
 */
function missedByLeader(r: RaftState, ticks: number): void {
  const { electionTicks, heartbeatTicks, checkQuorum, leaseReads } = r.config
  r.heartbeatElapsed += ticks
  r.electionElapsed += ticks
  if (!checkQuorum || leaseReads === true || r.granted || r.electionElapsed < electionTicks) return
  r.electionElapsed = 0
  r.granted = true
  r.heartbeatElapsed = heartbeatTicks
  r.restsFromTry = r.transferee !== 0
  abortTransfer(r)
}

/** The first tick of a period that was granted begins it: what was answered before its round says nothing of now. */
export function beginGranted(r: RaftState): void {
  if (!r.granted || r.electionElapsed > 0) return
  for (const peer of r.progress.values()) if (peer.id !== r.id) peer.recentActive = false
}
