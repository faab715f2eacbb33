/**
 * The variables of figure 2, and those of the dissertation's extensions, of one replica. The sections (election,
 * append, commit ...) are functions on it; only they change it.
 */
import type { ConfState, HardState, SnapshotMeta } from '../base/log-entry.ts'
import { EMPTY_CONFIGURATION } from './configuration.ts'
import type { RaftEvent } from './events.ts'
import { RaftLog } from './log.ts'
import { PeerProgress } from './progress.ts'
import { ReadQueue } from './read-queue.ts'
import type { Message, MessageType, RaftConfig, ReadState, Role } from './types.ts'

export class RaftState {
  readonly id: number
  readonly config: RaftConfig
  readonly log: RaftLog
  readonly observe: ((event: RaftEvent) => void) | undefined

  term = 0
  vote = 0
  role: Role = 'follower'
  /** 0: unknown. */
  leader = 0

  /** In force here. */
  conf: ConfState = EMPTY_CONFIGURATION
  /** That of the state machine: older than `conf` while a snapshot waits to be installed. */
  appliedConf: ConfState = EMPTY_CONFIGURATION
  /** Of every member, ascending by id. */
  progress: ReadonlyMap<number, PeerProgress> = new Map()
  /** Of this election; the first answer of each replica counts. */
  votes = new Map<number, boolean>()

  /** Ticks since the last word of a leader; on a leader, since the last quorum check. */
  electionElapsed = 0
  /** Of this timeout some was granted anew, because the host stood still (stall.ts). */
  granted = false
  heartbeatElapsed = 0
  /** Of a leader, since anything was asked of the group. */
  idleTicks = 0
  /** Asleep: not ticked, and leads or follows as it did (quiesce.ts). */
  quiesced = false
  randomizedElectionTicks = 0

  /** The snapshot that takes the place of a lost state, while it is being installed. */
  replacement: SnapshotMeta | undefined

  /** Who leadership is being handed to; 0: nobody. */
  transferee = 0
  /** Of a leader that leaves with the old half of a joint configuration (membership.ts): whom it tried last; 0: nobody. */
  triedHeir = 0
  /** Its last try came to nothing within this election timeout: proposals go first. */
  restsFromTry = false
  /** No configuration change is proposed before everything up to here is applied (§6). */
  pendingConfIndex = 0
  /** Payload proposed in this term and not applied. */
  uncommittedBytes = 0
  readonly reads = new ReadQueue()

  messages: Message[] = []
  /** Held until what precedes them is durable; those to oneself are stepped then. */
  afterPersist: Message[] = []
  readStates: ReadState[] = []

  /** Bound once: quorum maths runs on every acknowledgement. */
  readonly matchOf = (id: number): number | undefined => this.progress.get(id)?.match

  constructor(config: RaftConfig, observe?: (event: RaftEvent) => void) {
    this.id = config.id
    this.config = config
    this.observe = observe
    this.log = new RaftLog({
      storage: config.storage,
      maxApplyingBytes: config.maxCommittedBytesPerReady,
      applyUnstable: config.applyUnstable ?? false,
      stateLost: config.needsSnapshot ?? false,
      onTruncate: (from, all) => this.observe?.({ type: 'unstableReplaced', from, all }),
    })
  }

  get hard(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed }
  }

  newProgress(id: number, next: number, learner: boolean): PeerProgress {
    return new PeerProgress(id, next, learner, this.config)
  }
}

/** The fields of a message that are not 0, false or empty. */
export interface MessageFields {
  readonly from?: number
  readonly term?: number
  readonly index?: number
  readonly logTerm?: number
  readonly commit?: number
  readonly entries?: Message['entries']
  readonly reject?: boolean
  readonly rejectHint?: number
  readonly context?: number
  readonly snapshot?: SnapshotMeta
}

const NO_FIELDS: MessageFields = {}
const NO_ENTRIES: Message['entries'] = []

/** A message in full, so that all of them have one shape: this is made for every append and every answer. */
export function makeMessage(type: MessageType, to: number, fields: MessageFields = NO_FIELDS): Message {
  return build(type, fields.from ?? 0, to, fields.term ?? 0, fields)
}

function build(type: MessageType, from: number, to: number, term: number, fields: MessageFields): Message {
  const message = {
    type,
    from,
    to,
    term,
    index: fields.index ?? 0,
    logTerm: fields.logTerm ?? 0,
    commit: fields.commit ?? 0,
    entries: fields.entries ?? NO_ENTRIES,
    reject: fields.reject ?? false,
    rejectHint: fields.rejectHint ?? 0,
    context: fields.context ?? 0,
  }
  return fields.snapshot === undefined ? message : { ...message, snapshot: fields.snapshot }
}

/**
 * Queues a message under the current term, unless `fields` names one (votes do). Forwarded requests and calls to wake
 * carry none: they are judged like local ones.
 */
export function send(r: RaftState, type: MessageType, to: number, fields: MessageFields = NO_FIELDS): Message {
  const forwarded = type === 'propose' || type === 'readIndex' || type === 'wake'
  const term = forwarded ? 0 : (fields.term ?? r.term)
  const message = build(type, fields.from ?? r.id, to, term, fields)
  if (awaitsPersist(r, type)) r.afterPersist.push(message)
  else r.messages.push(message)
  return message
}

/**
 * Votes and acknowledgements promise something durable. So does asking for votes: if a candidate lost its term or the end
 * of its log in a crash and ran again in the same term, grants given to the longer log would elect the shorter one.
 */
function awaitsPersist(r: RaftState, type: MessageType): boolean {
  switch (type) {
    case 'appendEntriesResponse':
    case 'requestVoteResponse':
    case 'requestPreVoteResponse':
      return true
    case 'requestVote':
      return r.config.earlyVoteRequests !== true
    default:
      return false
  }
}
