/**
 * What crosses the border of the Raft core. The core is a pure state machine: messages and ticks in, a `Ready` out; the
 * host persists, sends and applies (the shape of etcd's raft library). No I/O, clock or chance of its own.
 */
import type { ConfState, Entry, HardState, SnapshotMeta } from '../base/log-entry.ts'

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader'

/** Volatile; the host uses it to route. `leader` 0 means unknown. */
export interface SoftState {
  readonly leader: number
  readonly role: Role
}

export type MessageType =
  | 'appendEntries'
  | 'appendEntriesResponse'
  | 'requestVote'
  | 'requestVoteResponse'
  | 'requestPreVote'
  | 'requestPreVoteResponse'
  | 'heartbeat'
  | 'heartbeatResponse'
  | 'installSnapshot'
  | 'readIndex'
  | 'readIndexResponse'
  | 'transferLeader'
  | 'timeoutNow'
  | 'propose'
  | 'quiesce'
  | 'wake'

/** One flat shape, absent numbers are 0: what travels between replicas of one group. */
export interface Message {
  readonly type: MessageType
  readonly from: number
  readonly to: number
  readonly term: number
  /** prevLogIndex, last log index of a candidate, or the acknowledged index. */
  readonly index: number
  readonly logTerm: number
  readonly commit: number
  readonly entries: readonly Entry[]
  /** Of a heartbeat's answer: the replica's state is lost, and it asks for a snapshot at `index` or later. */
  readonly reject: boolean
  readonly rejectHint: number
  /** ReadIndex request that a heartbeat confirms; on a vote request 1 = campaign by leadership transfer. 0: none. */
  readonly context: number
  readonly snapshot?: SnapshotMeta
}

export interface ReadState {
  /** A read may be served once this index is applied. */
  readonly index: number
  readonly context: number
}

/** Work for the host. Hand back `token` when hard, entries and snapshot are durable; tokens are confirmed in order. */
export interface Ready {
  readonly soft?: SoftState
  /** To be made durable; where only the commit index differs it may lag, since it can be found again. */
  readonly hard?: HardState
  /** To append to the log; an entry at index i replaces everything from i on. */
  readonly entries: readonly Entry[]
  /** To install before `entries`: the log restarts behind it, unless `keepsLog`. */
  readonly snapshot?: SnapshotMeta
  /** The snapshot replaces a damaged state only: the log has its last entry and goes on as it is. */
  readonly keepsLog: boolean
  /** Durable here and committed: to apply in order; then `applied(index)`. */
  readonly committed: readonly Entry[]
  /** May leave at once, before anything is durable. */
  readonly messages: readonly Message[]
  /**
   * Must not leave before this Ready and all before it are durable, even if this one has nothing to write: votes,
   * acknowledgements, requests for votes. Never holds a message to oneself.
   */
  readonly afterPersist: readonly Message[]
  readonly readStates: readonly ReadState[]
  readonly token: number
}

/** The durable log as the core reads it: synchronous, never behind what `persisted` confirmed. */
export interface LogStorage {
  /** Index of the first entry present; everything before it is in the snapshot. */
  firstIndex(): number
  lastIndex(): number
  /** Term of `index` in [firstIndex - 1, lastIndex]; undefined outside. */
  term(index: number): number | undefined
  /** Entries in [lo, hi), at least one, then up to `maxBytes`. */
  entries(lo: number, hi: number, maxBytes: number): readonly Entry[]
  /** Whether an entry in [lo, hi) is a change of the configuration; reads no data. */
  hasConfChange(lo: number, hi: number): boolean
  /** The newest snapshot that can be sent, if it ends at `atLeast` or later; undefined while one is being prepared. */
  snapshot(atLeast: number): SnapshotMeta | undefined
}

export interface Quiescence {
  /** A leader that was asked for nothing for so long lets its group sleep. */
  readonly idleTicks: number
  /** Ticks since the host last heard anything of the node where `replica` is. */
  readonly silentTicks: (replica: number) => number
}

export interface RaftConfig {
  readonly id: number
  readonly storage: LogStorage
  /** From the log, or absent for an empty one. */
  readonly hard?: HardState
  readonly confState: ConfState
  readonly applied: number
  /**
   * The log is whole but the state behind it is lost: the replica votes and takes entries, applies nothing and does not
   * run until a leader's snapshot has replaced the state. `applied` is then the position before the log's first entry.
   */
  readonly needsSnapshot?: boolean
  readonly electionTicks: number
  readonly heartbeatTicks: number
  readonly preVote: boolean
  readonly checkQuorum: boolean
  readonly stepDownOnRemoval: boolean
  readonly maxBytesPerMessage: number
  readonly maxInflightMessages: number
  readonly maxInflightBytes: number
  readonly maxUncommittedBytes: number
  readonly maxCommittedBytesPerReady: number
  /** Integer in [0, bound): the randomized election timeout. */
  readonly random: (bound: number) => number
  /** Reads are answered on CheckQuorum's word, without a round of heartbeats: safe only while clocks run alike. */
  readonly leaseReads?: boolean
  /** Followers pass proposals on to the leader, and never learn their place. */
  readonly forwardProposals?: boolean
  /** Absent: the group never sleeps. Not together with `leaseReads`: while it sleeps nobody checks the quorum. */
  readonly quiescence?: Quiescence
  /** Only the script runner sets it: committed entries need not be durable here first. */
  readonly applyUnstable?: boolean
  /** Only the script runner sets it: votes are asked for before the candidate's own term and log are durable. */
  readonly earlyVoteRequests?: boolean
  /** Only the script runner sets it: a configuration change may be proposed while another is under way. */
  readonly skipConfChangeChecks?: boolean
}

export type ProposeRefusal =
  | 'notLeader'
  | 'tooMuchUncommitted'
  | 'transferring'
  | 'removed'
  /** An earlier change is not applied yet. An empty entry was appended in its place. */
  | 'confChangePending'
  /** It cannot follow the present configuration. An empty entry was appended in its place. */
  | 'confChangeInvalid'

/** Why a message was not acted upon at all: not a current member, meant for another, or a forwarded proposal's refusal. */
export type StepRefusal = ProposeRefusal | 'unknownPeer' | 'misrouted'

export interface RaftStatus {
  readonly id: number
  readonly term: number
  readonly vote: number
  readonly commit: number
  /** What the host confirmed with `applied`; 0 while its state is lost. */
  readonly applied: number
  readonly lastIndex: number
  readonly leader: number
  readonly role: Role
  /** The replica that leadership is being handed to; 0: none. */
  readonly transferee: number
  /** Its state is lost, and a snapshot that replaces it is not installed yet. */
  readonly needsSnapshot: boolean
  readonly confState: ConfState
  /** The randomized election timeout of now. */
  readonly timeoutTicks: number
}

/** What a leader knows of one replica's log. */
export interface Progress {
  readonly id: number
  readonly match: number
  readonly next: number
  readonly state: 'probe' | 'replicate' | 'snapshot'
  /** Index of the snapshot on its way; 0 unless in state `snapshot`. */
  readonly pendingSnapshot: number
  readonly recentActive: boolean
  readonly paused: boolean
  readonly learner: boolean
  /** It has its log but lost its state: it cannot take over. */
  readonly stateLost: boolean
  /** A snapshot was asked for and how it went is not known yet. */
  readonly awaitsSnapshot: boolean
  /** Appends on their way, and the bytes of their entries. */
  readonly inflight: number
  readonly inflightBytes: number
  readonly inflightFull: boolean
}
