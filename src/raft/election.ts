/**
 * Leader election (§5.2, §5.4.1), with pre-votes (§9.6 of the dissertation): a candidate first asks whether it could win,
 * without a new term, so that a replica that was cut off deposes nobody when it returns.
 */
import { assert } from '../base/assert.ts'
import { TERM_MAX } from '../base/limits.ts'
import { appendOwn, broadcastAppend } from './append-entries.ts'
import { voterIds } from './configuration.ts'
import { hasUnappliedConfChange } from './membership.ts'
import type { VoteResult } from './quorum.ts'
import { quorumVote } from './quorum.ts'
import { restartTimeout } from './stall.ts'
import type { RaftState } from './state.ts'
import { send } from './state.ts'
import { becomeFollower, enterTerm } from './term.ts'
import type { Message } from './types.ts'

export type CampaignKind = 'preElection' | 'election' | 'transfer'

/** `context` of a vote request by the heir of a leader that stepped aside: judged without that leader's lease. */
const TRANSFER_CONTEXT = 1

const EMPTY = new Uint8Array(0)

/** The election timeout ran out, or the host or the leader says that it is this replica's turn. */
export function startElection(r: RaftState, kind: CampaignKind): void {
  const reason = whyNot(r)
  if (reason !== undefined) {
    r.observe?.({ type: 'campaignIgnored', reason })
    return
  }
  r.observe?.({ type: 'campaignStarted' })
  campaign(r, kind)
}

/** Only a voter whose state is whole may run, and nobody in the last term there is. */
export function isPromotable(r: RaftState): boolean {
  const own = r.progress.get(r.id)
  const able = own !== undefined && !own.learner && !r.log.stateLost && r.log.unstable.snapshot === undefined
  return able && r.term < TERM_MAX
}

/** An answer to this replica's own campaign, which it is still in. */
export function handleVoteResponse(r: RaftState, m: Message): void {
  // Only the first answer of each replica counts, and quorumVote looks at present voters alone.
  if (!r.votes.has(m.from)) r.votes.set(m.from, !m.reject)
  const result = countVotes(r, m)
  if (result === 'won') win(r)
  // A refused pre-vote may carry a term that nobody is in: stay in the own one.
  else if (result === 'lost') becomeFollower(r, r.term, 0)
}

/** Someone asks for a vote, or a pre-vote, in this term or, for a pre-vote, a later one. */
export function handleVoteRequest(r: RaftState, m: Message): void {
  const response = m.type === 'requestVote' ? 'requestVoteResponse' : 'requestPreVoteResponse'
  const free = r.vote === 0 && r.leader === 0
  const mayVote = r.vote === m.from || free || (m.type === 'requestPreVote' && m.term > r.term)
  const last = r.log.last
  // A learner votes too: it may have been promoted by an entry that it has not applied yet, and be needed.
  const granted = mayVote && r.log.isUpToDate({ term: m.logTerm, index: m.index })
  r.observe?.({ type: 'voteAnswered', message: m, last, granted })
  if (!granted) {
    send(r, response, m.from, { reject: true })
    return
  }
  // A pre-vote is answered in the term it asks about, or the candidate would take the answer for a stale one.
  send(r, response, m.from, { term: m.term })
  if (m.type !== 'requestVote') return
  restartTimeout(r)
  r.vote = m.from
}

/** Whether a vote request must be ignored because a leader was heard of within the minimum election timeout (§6). */
export function leaseHolds(r: RaftState, m: Message): boolean {
  if (m.context === TRANSFER_CONTEXT) return false
  const holds = r.config.checkQuorum && r.leader !== 0 && r.electionElapsed < r.config.electionTicks
  if (holds) {
    const remainingTicks = r.config.electionTicks - r.electionElapsed
    r.observe?.({ type: 'voteIgnored', message: m, last: r.log.last, remainingTicks })
  }
  return holds
}

/** CheckQuorum (§6.2 of the dissertation): a leader that a quorum did not answer for an election timeout steps down. */
export function checkQuorum(r: RaftState): void {
  const active = quorumVote(r.conf, (id) => (id === r.id ? true : (r.progress.get(id)?.recentActive ?? false)))
  if (active !== 'won') {
    r.observe?.({ type: 'quorumLost' })
    becomeFollower(r, r.term, 0)
  }
  for (const peer of r.progress.values()) if (peer.id !== r.id) peer.recentActive = false
}

function whyNot(r: RaftState): 'leader' | 'unpromotable' | 'pendingConfChange' | undefined {
  if (r.role === 'leader') return 'leader'
  if (!isPromotable(r)) return 'unpromotable'
  return hasUnappliedConfChange(r) ? 'pendingConfChange' : undefined
}

function campaign(r: RaftState, kind: CampaignKind): void {
  const request = kind === 'preElection' ? 'requestPreVote' : 'requestVote'
  if (kind === 'preElection') becomePreCandidate(r)
  else becomeCandidate(r)
  const term = kind === 'preElection' ? r.term + 1 : r.term
  const context = kind === 'transfer' ? TRANSFER_CONTEXT : 0
  const last = r.log.last
  for (const id of voterIds(r.conf)) {
    if (id === r.id) {
      // Its own vote counts when it is durable, like everybody's.
      send(r, kind === 'preElection' ? 'requestPreVoteResponse' : 'requestVoteResponse', id, { term })
      continue
    }
    const message = send(r, request, id, { term, index: last.index, logTerm: last.term, context })
    r.observe?.({ type: 'voteRequested', message, last })
  }
}

function becomePreCandidate(r: RaftState): void {
  // Neither term nor vote change: a pre-vote promises nothing.
  r.votes.clear()
  r.leader = 0
  r.role = 'preCandidate'
  r.observe?.({ type: 'becameRole', role: 'preCandidate', term: r.term })
}

function becomeCandidate(r: RaftState): void {
  assert(r.role !== 'leader', 'a leader does not become a candidate')
  enterTerm(r, r.term + 1)
  r.vote = r.id
  r.role = 'candidate'
  r.observe?.({ type: 'becameRole', role: 'candidate', term: r.term })
}

function win(r: RaftState): void {
  if (r.role === 'preCandidate') {
    campaign(r, 'election')
    return
  }
  becomeLeader(r)
  broadcastAppend(r)
}

function becomeLeader(r: RaftState): void {
  assert(r.role === 'candidate', 'leadership comes from an election only')
  enterTerm(r, r.term)
  r.leader = r.id
  r.role = 'leader'
  const own = r.progress.get(r.id)
  own?.becomeReplicate()
  if (own !== undefined) own.recentActive = true
  // The log may hold a change that is not applied here; until all of it is, no other is proposed.
  r.pendingConfIndex = r.log.lastIndex
  const appended = appendOwn(r, [{ type: 'normal', data: EMPTY }])
  assert(appended, 'an empty entry is never refused')
  r.observe?.({ type: 'becameRole', role: 'leader', term: r.term })
}

function countVotes(r: RaftState, m: Message): VoteResult {
  if (r.observe !== undefined) {
    const counted = voterIds(r.conf).map((id) => r.votes.get(id))
    const granted = counted.filter((vote) => vote === true).length
    const rejected = counted.filter((vote) => vote === false).length
    r.observe({ type: 'voteReceived', message: m })
    r.observe({ type: 'votesCounted', message: m, granted, rejected })
  }
  return quorumVote(r.conf, (id) => r.votes.get(id))
}
