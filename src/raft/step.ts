/**
 * Rules for all servers (figure 2): every message is first judged by its term (§5.1), then by what the replica is. A
 * stale one is answered only where silence would leave its sender stuck.
 */
import { handleAppendEntries } from './append-entries.ts'
import { handleVoteRequest, handleVoteResponse, leaseHolds, startElection } from './election.ts'
import { handleHeartbeat } from './heartbeat.ts'
import { propose } from './propose.ts'
import { disturbs, doubt, handleQuiesce, wake } from './quiesce.ts'
import { handleReadIndexResponse, requestRead } from './read-index.ts'
import { handleAppendResponse, handleHeartbeatResponse } from './replication.ts'
import { handleSnapshot } from './snapshot.ts'
import { restartTimeout } from './stall.ts'
import type { RaftState } from './state.ts'
import { send } from './state.ts'
import { becomeFollower } from './term.ts'
import { transferLeadership } from './transfer.ts'
import type { Message, StepRefusal } from './types.ts'

/** Judges `m` by its term and acts on it. Also takes the replica's own votes and acknowledgements, once durable. */
export function stepMessage(r: RaftState, m: Message): StepRefusal | undefined {
  if (m.type === 'wake') {
    wake(r)
    return undefined
  }
  if (r.quiesced && disturbs(r, m)) {
    if (isVoteRequest(m)) doubt(r)
    else wake(r)
  }
  // Forwarded requests have no term: they are judged like local ones.
  if (m.type === 'propose') return stepPropose(r, m)
  if (m.type === 'readIndex') {
    requestRead(r, m.from, m.context)
    return undefined
  }
  if (m.term > r.term && !enterHigherTerm(r, m)) return undefined
  if (m.term < r.term) {
    answerLowerTerm(r, m)
    return undefined
  }
  act(r, m)
  return undefined
}

/** Whether `m` is to be acted upon; steps down into its term if it stands for one. */
function enterHigherTerm(r: RaftState, m: Message): boolean {
  if (isVoteRequest(m) && leaseHolds(r, m)) return false
  // A pre-vote asks about a term that nobody is in yet; granting it or having it granted enters none.
  if (m.type === 'requestPreVote') return true
  if (m.type === 'requestPreVoteResponse' && !m.reject) return true
  r.observe?.({ type: 'higherTerm', message: m })
  becomeFollower(r, m.term, comesFromLeader(m) ? m.from : 0)
  return true
}

function isVoteRequest(m: Message): boolean {
  return m.type === 'requestVote' || m.type === 'requestPreVote'
}

function comesFromLeader(m: Message): boolean {
  return m.type === 'appendEntries' || m.type === 'heartbeat' || m.type === 'installSnapshot' || m.type === 'quiesce'
}

function answerLowerTerm(r: RaftState, m: Message): void {
  const mute = r.config.checkQuorum || r.config.preVote || r.log.stateLost
  if (mute && comesFromLeader(m) && m.type !== 'installSnapshot') {
    // A replica that was cut off holds a higher term, which lease and pre-vote, or having no state, keep it from
    // spreading by votes: told of it, the leader steps down and a new election frees the replica.
    send(r, 'appendEntriesResponse', m.from)
  } else if (m.type === 'requestPreVote') {
    // Silence would leave candidates of a lower term with the longer log waiting for each other.
    r.observe?.({ type: 'voteAnswered', message: m, last: r.log.last, granted: false })
    send(r, 'requestPreVoteResponse', m.from, { reject: true })
  } else {
    r.observe?.({ type: 'lowerTermIgnored', message: m })
  }
}

function act(r: RaftState, m: Message): void {
  switch (m.type) {
    case 'requestVote':
    case 'requestPreVote':
      handleVoteRequest(r, m)
      break
    case 'appendEntries':
    case 'heartbeat':
    case 'installSnapshot':
    case 'quiesce':
      followLeader(r, m)
      break
    case 'requestVoteResponse':
      if (r.role === 'candidate') handleVoteResponse(r, m)
      break
    case 'requestPreVoteResponse':
      if (r.role === 'preCandidate') handleVoteResponse(r, m)
      break
    case 'appendEntriesResponse':
    case 'heartbeatResponse':
      if (r.role === 'leader') fromFollower(r, m)
      break
    case 'transferLeader':
      transferLeadership(r, m.from)
      break
    case 'timeoutNow':
      handleTimeoutNow(r, m)
      break
    case 'readIndexResponse':
      if (r.role === 'follower') handleReadIndexResponse(r, m)
      break
    default:
      break
  }
}

/** The leader of this term speaks: whoever ran against it in the term lost. */
function followLeader(r: RaftState, m: Message): void {
  // Two leaders in one term cannot be (§5.2); a message that says so is not acted upon.
  if (r.role === 'leader') return
  if (r.role !== 'follower') becomeFollower(r, m.term, m.from)
  restartTimeout(r)
  r.leader = m.from
  if (m.type === 'appendEntries') handleAppendEntries(r, m)
  else if (m.type === 'heartbeat') handleHeartbeat(r, m)
  else if (m.type === 'quiesce') handleQuiesce(r, m)
  else handleSnapshot(r, m)
}

function fromFollower(r: RaftState, m: Message): void {
  const peer = r.progress.get(m.from)
  if (peer === undefined) r.observe?.({ type: 'noProgress', from: m.from })
  else if (m.type === 'heartbeatResponse') handleHeartbeatResponse(r, peer, m)
  else handleAppendResponse(r, peer, m)
}

function handleTimeoutNow(r: RaftState, m: Message): void {
  if (r.role !== 'follower') {
    r.observe?.({ type: 'timeoutNowIgnored', from: m.from })
    return
  }
  r.observe?.({ type: 'timeoutNowReceived', from: m.from })
  // No pre-vote: the leader knows that this replica can win, and that its own lease does not matter.
  startElection(r, 'transfer')
}

function stepPropose(r: RaftState, m: Message): StepRefusal | undefined {
  const proposed = propose(r, m.entries)
  return 'refused' in proposed ? proposed.refused : undefined
}
