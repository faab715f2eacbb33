/**
 * Linearizable reads without log entries (§8; §6.4 of the dissertation): the leader notes its commit index and serves
 * the read once a quorum has confirmed, after the request came, that it still leads.
 */
import { committedInTerm } from './commit.ts'
import type { RaftState } from './state.ts'
import { send } from './state.ts'
import type { Message } from './types.ts'

/** A request of this replica (`from` its own id) or forwarded by another. False: nobody can answer it now, ask again. */
export function requestRead(r: RaftState, from: number, context: number): boolean {
  if (r.role !== 'leader') return forwardRead(r, from, context)
  r.idleTicks = 0
  if (r.reads.full) return false
  // Also for a lone voter: after a restart its commit index may be older than what it once acknowledged.
  if (committedInTerm(r)) startRead(r, from, context)
  else r.reads.addEarly(from, context)
  return true
}

/** The leader committed in its term: what came before that can be noted now. */
export function releaseEarlyReads(r: RaftState): void {
  if (!committedInTerm(r)) return
  for (const { from, context } of r.reads.takeEarly()) startRead(r, from, context)
}

/** A heartbeat that carried `m.context` was answered. */
export function confirmReads(r: RaftState, m: Message): void {
  if (m.context === 0 || r.config.leaseReads === true) return
  for (const read of r.reads.confirm(m.from, m.context, r.id, r.conf)) answer(r, read.from, read.context, read.index)
}

/** The configuration has changed: fewer may have to confirm what waits, or nobody else. */
export function releaseReads(r: RaftState): void {
  for (const read of r.reads.release(r.id, r.conf)) answer(r, read.from, read.context, read.index)
}

/** A follower's request was answered by the leader. */
export function handleReadIndexResponse(r: RaftState, m: Message): void {
  r.readStates.push({ index: m.index, context: m.context })
}

function startRead(r: RaftState, from: number, context: number): void {
  // Under a lease, CheckQuorum's word stands for the round of heartbeats; safe only while clocks run alike.
  if (r.config.leaseReads === true || aloneVoting(r)) answer(r, from, context, r.log.committed)
  else r.reads.add(from, context, r.log.committed)
}

function forwardRead(r: RaftState, from: number, context: number): boolean {
  // One that came from another goes no further: a replica speaks for itself alone, and whoever asked asks again.
  if (r.leader === 0 || r.role !== 'follower' || from !== r.id) {
    r.observe?.({ type: 'requestDropped', request: 'readIndex', reason: from === r.id ? 'noLeader' : 'notForwarding' })
    return false
  }
  send(r, 'readIndex', r.leader, { from, context })
  return true
}

function answer(r: RaftState, to: number, context: number, index: number): void {
  if (to === r.id) r.readStates.push({ index, context })
  else send(r, 'readIndexResponse', to, { index, context })
}

/** The only voter, which must be this replica: a removed leader is not its group's quorum. */
function aloneVoting(r: RaftState): boolean {
  return r.conf.voters.length === 1 && r.conf.voters[0] === r.id && r.conf.votersOutgoing.length === 0
}
