/** The log lines that scripts expect, made from the core's events: a level and a text. */
import type { ConfChange } from '../../../src/raft/conf-change.ts'
import type { RaftEvent } from '../../../src/raft/events.ts'
import type { Message, RaftStatus } from '../../../src/raft/types.ts'
import type { LogPosition } from '../../../src/raft/unstable.ts'
import { describeConfiguration, describeProgress } from './describe.ts'
import { MESSAGE_NAMES, STEP_NAMES } from './names.ts'

export const LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'NONE'] as const
export type Level = (typeof LEVELS)[number]
export type LogLine = readonly [Level, string]

type Of<T extends RaftEvent['type']> = Extract<RaftEvent, { type: T }>
type Text<T extends RaftEvent['type']> = (event: Of<T>, s: RaftStatus, id: string) => LogLine | undefined

const ROLE_TEXT = { follower: 'follower', preCandidate: 'pre-candidate', candidate: 'candidate', leader: 'leader' }

const TEXTS: { readonly [T in RaftEvent['type']]: Text<T> } = {
  started: (e, _s, id) => {
    const peers = e.peers.map((peer) => peer.toString(16)).join(',')
    const state = `term: ${e.term}, commit: ${e.commit}, applied: ${e.applied}`
    return ['INFO', `newRaft ${id} [peers: [${peers}], ${state}, lastindex: ${e.last.index}, lastterm: ${e.last.term}]`]
  },
  becameRole: (e, _s, id) => ['INFO', `${id} became ${ROLE_TEXT[e.role]} at term ${e.term}`],
  campaignIgnored: (e, s, id) => {
    if (e.reason === 'leader') return ['DEBUG', `${id} ignoring MsgHup because already leader`]
    if (e.reason === 'unpromotable') return ['WARN', `${id} is unpromotable and can not campaign`]
    const pending = 'since there are still pending configuration changes to apply'
    return ['WARN', `${id} cannot campaign at term ${s.term} ${pending}`]
  },
  campaignStarted: (_e, s, id) => ['INFO', `${id} is starting a new election at term ${s.term}`],
  quorumLost: (_e, _s, id) => ['WARN', `${id} stepped down to follower since quorum is not active`],
  leaderForgotten: (_e, s, id) => ['INFO', `${id} forgetting leader ${s.leader.toString(16)} at term ${s.term}`],
  forgetLeaderIgnored: () => ['ERROR', 'ignoring MsgForgetLeader due to ReadOnlyLeaseBased'],
  voteRequested: (e, s, id) => {
    const request = `sent ${nameOf(e.message)} request to ${e.message.to.toString(16)}`
    return ['INFO', `${id} [${at(e.last)}] ${request} at term ${s.term}`]
  },
  voteReceived: (e, s, id) => {
    const rejection = e.message.reject ? ' rejection' : ''
    return ['INFO', `${id} received ${nameOf(e.message)}${rejection} from ${from(e.message)} at term ${s.term}`]
  },
  votesCounted: (e, _s, id) => {
    return ['INFO', `${id} has received ${e.granted} ${nameOf(e.message)} votes and ${e.rejected} vote rejections`]
  },
  voteAnswered: (e, s, id) => {
    const verb = e.granted ? `cast ${nameOf(e.message)} for` : `rejected ${nameOf(e.message)} from`
    return ['INFO', `${voter(id, e.last, s)} ${verb} ${candidate(e.message)} at term ${s.term}`]
  },
  voteIgnored: (e, s, id) => {
    const why = `lease is not expired (remaining ticks: ${e.remainingTicks})`
    const request = `ignored ${nameOf(e.message)} from ${candidate(e.message)}`
    return ['INFO', `${voter(id, e.last, s)} ${request} at term ${s.term}: ${why}`]
  },
  higherTerm: (e, s, id) => ['INFO', `${id} [term: ${s.term}] received a ${otherTerm(e.message, 'higher')}`],
  lowerTermIgnored: (e, s, id) => ['INFO', `${id} [term: ${s.term}] ignored a ${otherTerm(e.message, 'lower')}`],
  lowerTermWriteIgnored: (e, s, id) => {
    const what = 'ignored entry appends from a MsgStorageAppendResp message with lower term'
    return ['INFO', `${id} [term: ${s.term}] ${what} [term: ${e.writeTerm}]`]
  },
  supersededWriteIgnored: ({ mark, term }) => {
    if (term === undefined) return ['INFO', `entry at index ${mark.index} missing from unstable log; ignoring`]
    const written = `entry at (index,term)=(${mark.index},${mark.term})`
    return ['INFO', `${written} mismatched with entry at (${mark.index},${term}) in unstable log; ignoring`]
  },
  appendRejected: (e, _s, id) => {
    const { message: m, ownTerm } = e
    const own = `[logterm: ${ownTerm}, index: ${m.index}]`
    return ['DEBUG', `${id} ${own} rejected MsgApp [logterm: ${m.logTerm}, index: ${m.index}] from ${from(m)}`]
  },
  rejectionReceived: ({ message: m }, _s, id) => {
    const hint = `(index ${m.rejectHint}, term ${m.logTerm})`
    return ['DEBUG', `${id} received MsgAppResp(rejected, hint: ${hint}) from ${from(m)} for index ${m.index}`]
  },
  progressDecreased: ({ progress }, _s, id) => {
    return ['DEBUG', `${id} decreased progress of ${progress.id.toString(16)} to [${describeProgress(progress)}]`]
  },
  noProgress: (e, _s, id) => ['DEBUG', `${id} no progress available for ${e.from.toString(16)}`],
  unreachable: ({ progress }, _s, id) => {
    const peer = progress.id.toString(16)
    return [
      'DEBUG',
      `${id} failed to send message to ${peer} because it is unreachable [${describeProgress(progress)}]`,
    ]
  },
  conflictFound: (e) => {
    const terms = `[existing term: ${e.existingTerm}, conflicting term: ${e.conflictingTerm}]`
    return ['INFO', `found conflict at index ${e.index} ${terms}`]
  },
  unstableReplaced: (e) => {
    const what = e.all ? 'replace the unstable entries from' : 'truncate the unstable entries before'
    return ['INFO', `${what} index ${e.from}`]
  },
  snapshotSent: (e, s, id) => {
    const snapshot = `snapshot[index: ${e.snapshot.index}, term: ${e.snapshot.term}]`
    const own = `[firstindex: ${e.firstIndex}, commit: ${s.commit}]`
    return ['DEBUG', `${id} ${own} sent ${snapshot} to ${e.to.toString(16)} [${describeProgress(e.progress)}]`]
  },
  replicationPaused: ({ progress }, _s, id) => {
    const peer = progress.id.toString(16)
    return ['DEBUG', `${id} paused sending replication messages to ${peer} [${describeProgress(progress)}]`]
  },
  snapshotUnavailable: (e, _s, id) => {
    const why = 'because snapshot is temporarily unavailable'
    return ['DEBUG', `${id} failed to send snapshot to ${e.to.toString(16)} ${why}`]
  },
  snapshotReceiverInactive: (e) => {
    return ['DEBUG', `ignore sending snapshot to ${e.to.toString(16)} since it is not recently active`]
  },
  snapshotRecovered: ({ progress }, _s, id) => {
    const text = 'recovered from needing snapshot, resumed sending replication messages to'
    return ['DEBUG', `${id} ${text} ${progress.id.toString(16)} [${describeProgress(progress)}]`]
  },
  snapshotReported: ({ ok, progress }, _s, id) => {
    const text = `snapshot ${ok ? 'succeeded' : 'failed'}, resumed sending replication messages to`
    return ['DEBUG', `${id} ${text} ${progress.id.toString(16)} [${describeProgress(progress)}]`]
  },
  snapshotRestoring: ({ snapshot, log }) => {
    const state = `committed=${log.committed}, applied=${log.applied}, applying=${log.applying}`
    const unstable = `unstable.offset=${log.offset}, unstable.offsetInProgress=${log.offsetInProgress}`
    const entries = `len(unstable.Entries)=${log.entries}`
    return ['INFO', `log [${state}, ${unstable}, ${entries}] starts to restore snapshot ${place(snapshot)}`]
  },
  snapshotRestored: ({ snapshot }, s, id) => {
    const own = `[commit: ${s.commit}, lastindex: ${snapshot.index}, lastterm: ${snapshot.term}]`
    return ['INFO', `${id} ${own} restored snapshot ${place(snapshot)}`]
  },
  snapshotFastForward: ({ snapshot, last }, s, id) => {
    const own = `[commit: ${s.commit}, lastindex: ${last.index}, lastterm: ${last.term}]`
    return ['INFO', `${id} ${own} fast-forwarded commit to snapshot ${place(snapshot)}`]
  },
  snapshotStranger: (_e, _s, id) => {
    return ['WARN', `${id} attempted to restore snapshot but it is not in the ConfState; should never happen`]
  },
  snapshotHandled: ({ snapshot, installed }, s, id) => {
    const verb = installed ? 'restored' : 'ignored'
    return ['INFO', `${id} [commit: ${s.commit}] ${verb} snapshot ${place(snapshot)}`]
  },
  configurationSwitched: (e, _s, id) => ['INFO', `${id} switched to configuration ${describeConfiguration(e.conf)}`],
  confChangeIgnored: (e, s, id) => {
    const reasons = {
      pending: `possible unapplied conf change at index ${e.pendingIndex} (applied to ${s.applied})`,
      mustLeaveJoint: 'must transition out of joint config first',
      notJoint: 'not in joint state; refusing empty conf change',
      impossible: 'cannot follow this configuration',
    }
    const where = `at config ${describeConfiguration(e.conf)}`
    return ['INFO', `${id} ignoring conf change ${changeText(e.change)} ${where}: ${reasons[e.reason]}`]
  },
  autoLeaveStarted: (e) => {
    return ['INFO', `initiating automatic transition out of joint configuration ${describeConfiguration(e.conf)}`]
  },
  autoLeaveRefused: (e) => {
    const what = 'not initiating automatic transition out of joint configuration'
    return ['DEBUG', `${what} ${describeConfiguration(e.conf)}: raft proposal dropped`]
  },
  transferIgnored: (e, s, id) => {
    const to = e.to.toString(16)
    if (e.reason === 'learner') return ['DEBUG', `${id} is learner. Ignored transferring leadership`]
    if (e.reason === 'stateLost') return ['INFO', `${id} [term ${s.term}] ${to} has no state and cannot take over`]
    if (e.reason === 'alreadyLeader')
      return ['DEBUG', `${id} is already leader. Ignored transferring leadership to self`]
    const what = `transfer leadership to ${to} is in progress, ignores request to same node ${to}`
    return ['INFO', `${id} [term ${s.term}] ${what}`]
  },
  transferReplaced: (e, s, id) => {
    return ['INFO', `${id} [term ${s.term}] abort previous transferring leadership to ${e.previous.toString(16)}`]
  },
  transferStarted: (e, s, id) => [
    'INFO',
    `${id} [term ${s.term}] starts to transfer leadership to ${e.to.toString(16)}`,
  ],
  timeoutNowSent: (e, _s, id) => {
    const to = e.to.toString(16)
    if (!e.immediately) return ['INFO', `${id} sent MsgTimeoutNow to ${to} after received MsgAppResp`]
    return ['INFO', `${id} sends MsgTimeoutNow to ${to} immediately as ${to} already has up-to-date log`]
  },
  timeoutNowReceived: (e, s, id) => {
    const what = `received MsgTimeoutNow from ${e.from.toString(16)} and starts an election to get leadership.`
    return ['INFO', `${id} [term ${s.term}] ${what}`]
  },
  timeoutNowIgnored: (e, s, id) => {
    return ['DEBUG', `${id} [term ${s.term}] ignored MsgTimeoutNow from ${e.from.toString(16)}`]
  },
  requestDropped: (e, s, id) => droppedText(e, s, id),
  awaitsPersist: () => undefined,
}

/** Undefined for events that are no log line. `status` is that of the moment. */
export function traceText(event: RaftEvent, status: RaftStatus): LogLine | undefined {
  // The table pairs every event with its own text, which the compiler cannot follow through a union.
  const text = TEXTS[event.type] as (event: RaftEvent, s: RaftStatus, id: string) => LogLine | undefined
  return text(event, status, status.id.toString(16))
}

function droppedText(e: Of<'requestDropped'>, s: RaftStatus, id: string): LogLine | undefined {
  if (e.reason === 'removed') return undefined
  if (e.reason === 'transferring') {
    const what = `transfer leadership to ${s.transferee.toString(16)} is in progress; dropping proposal`
    return ['DEBUG', `${id} [term ${s.term}] ${what}`]
  }
  if (e.reason === 'notForwarding') {
    return ['INFO', `${id} not forwarding to leader ${s.leader.toString(16)} at term ${s.term}; dropping proposal`]
  }
  const what = { proposal: 'proposal', leaderTransfer: 'leader transfer msg', readIndex: 'index reading msg' }
  return ['INFO', `${id} no leader at term ${s.term}; dropping ${what[e.request]}`]
}

function nameOf(m: Message): string {
  return MESSAGE_NAMES[m.type]
}

function from(m: Message): string {
  return m.from.toString(16)
}

function at({ term, index }: LogPosition): string {
  return `logterm: ${term}, index: ${index}`
}

function voter(id: string, last: LogPosition, s: RaftStatus): string {
  return `${id} [${at(last)}, vote: ${s.vote.toString(16)}]`
}

function candidate(m: Message): string {
  return `${from(m)} [${at({ term: m.logTerm, index: m.index })}]`
}

function otherTerm(m: Message, which: string): string {
  return `${nameOf(m)} message with ${which} term from ${from(m)} [term: ${m.term}]`
}

function place({ index, term }: LogPosition): string {
  return `[index: ${index}, term: ${term}]`
}

function changeText(change: ConfChange): string {
  const transitions = { auto: 'Auto', implicit: 'JointImplicit', explicit: 'JointExplicit' }
  const steps = change.changes.map(({ type, replica }) => `changes:{type:${STEP_NAMES[type]} node_id:${replica}}`)
  return [`transition:ConfChangeTransition${transitions[change.transition]}`, ...steps].join(' ')
}
