/**
 * Quiescence (docs/decisions/009-quiescence.md): a group in which nothing happens sleeps. Its leader says so once every
 * member has everything; from then on nobody ticks it, and the host watches the leader's node in its place. Whatever is
 * not plainly a late answer wakes a replica. Invariant: a replica sleeps only with everything durable and applied that
 * the leader it sleeps under had.
 */
import { isJoint } from './configuration.ts'
import type { PeerProgress } from './progress.ts'
import { restartTimeout } from './stall.ts'
import type { RaftState } from './state.ts'
import { send } from './state.ts'
import type { Message } from './types.ts'

/** One more tick of a leader; true: the group sleeps from now on, and its members are told. */
export function maybeQuiesce(r: RaftState): boolean {
  const { quiescence } = r.config
  if (quiescence === undefined) return false
  r.idleTicks++
  if (r.idleTicks < quiescence.idleTicks || !isSettled(r)) return false
  r.quiesced = true
  const { index, term } = r.log.last
  for (const id of r.progress.keys()) {
    if (id !== r.id) send(r, 'quiesce', id, { index, logTerm: term, commit: index })
  }
  return true
}

/** A follower's half; the message is from the leader of this term. Who cannot agree says so, and the leader wakes. */
export function handleQuiesce(r: RaftState, m: Message): void {
  const { index, term } = r.log.last
  const equal = m.index === index && m.logTerm === term
  if (equal) r.log.commitTo(index)
  r.quiesced = equal && r.config.quiescence !== undefined && isWhole(r)
  if (!r.quiesced) send(r, 'wake', m.from)
}

/** Ends the sleep, and what is idle begins to count anew. */
export function wake(r: RaftState): void {
  r.idleTicks = 0
  if (!r.quiesced) return
  r.quiesced = false
  if (r.role === 'leader') {
    // A fresh period of CheckQuorum, which the next tick's heartbeats begin: what was heard before the sleep is old.
    restartTimeout(r)
    r.heartbeatElapsed = r.config.heartbeatTicks
    for (const peer of r.progress.values()) if (peer.id !== r.id) peer.recentActive = false
    return
  }
  // While it slept its leader's node spoke for the leader. Its election, should it be due, comes with the next tick.
  const silent = r.leader === 0 ? r.config.electionTicks : (r.config.quiescence?.silentTicks(r.leader) ?? 0)
  r.electionElapsed = Math.min(silent, r.randomizedElectionTicks)
}

/**
 * The host doubts that the leader is there, or that it sleeps too, or another replica stands for election, perhaps because
 * of one broken link: a follower asks it. Its heartbeat comes before the election does that the doubt would otherwise lead to.
 */
export function doubt(r: RaftState): void {
  if (!r.quiesced) return
  wake(r)
  if (r.role === 'follower' && r.leader !== 0) send(r, 'wake', r.leader)
}

/** Asks every member to wake: this replica has just started and may have missed what the others know. */
export function rouse(r: RaftState): void {
  if (r.config.quiescence === undefined) return
  for (const id of r.progress.keys()) if (id !== r.id) send(r, 'wake', id)
}

/** Whether `m` ends the sleep of the replica it reaches. Answers to what was sent before it fell asleep do not. */
export function disturbs(r: RaftState, m: Message): boolean {
  if (m.type === 'quiesce') return m.term !== r.term
  return m.term > r.term || m.reject || !m.type.endsWith('Response')
}

function isSettled(r: RaftState): boolean {
  if (r.transferee !== 0 || !r.reads.empty || isJoint(r.conf) || !isWhole(r)) return false
  const last = r.log.lastIndex
  for (const peer of r.progress.values()) if (peer.match !== last || (peer.id !== r.id && !isAtHand(peer))) return false
  return r.progress.has(r.id)
}

function isAtHand(peer: PeerProgress): boolean {
  return peer.recentActive && peer.state === 'replicate' && !peer.stateLost && !peer.replacing
}

/** Everything in its log is durable, committed and applied. */
function isWhole(r: RaftState): boolean {
  const { log } = r
  return log.unstable.isEmpty && log.applied === log.lastIndex && log.committed === log.lastIndex
}
