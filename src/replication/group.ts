/**
 * What the broker sees of one replica on this node. Every proposal is answered exactly once: `applied` with the replies
 * of its commands in order, `refused` when it was certainly not appended, `unknown` when it was appended and this replica
 * can no longer tell (stepped down, passed by a snapshot, shutting down).
 */
import type { GroupId, NodeId, ReplicaId } from '../base/ids.ts'
import type { Progress, RaftStatus } from '../raft/types.ts'
import type { Reader, View } from '../views/view.ts'

export interface Member {
  readonly replica: ReplicaId
  readonly node: NodeId
}

export interface GroupSpec {
  readonly group: GroupId
  /** This node's replica. */
  readonly replica: ReplicaId
  /** The initial configuration: the same on every member. */
  readonly members: readonly Member[]
}

/** INVALID: a change of membership that cannot follow the present configuration, however often it is tried. */
export type RefusalReason = 'NOT_LEADER' | 'OVERLOADED' | 'DISK_FULL' | 'SHUTTING_DOWN' | 'INVALID'

export type ProposalOutcome<R> =
  | { readonly type: 'applied'; readonly index: number; readonly at: number; readonly replies: readonly R[] }
  | { readonly type: 'refused'; readonly reason: RefusalReason }
  | { readonly type: 'unknown' }

export interface Proposal<R> {
  /** Leader's time in ms, stamped by the broker. */
  readonly at: number
  /** Encoded commands of one turn, at most ENTRY_BYTES_MAX together; one alone at most COMMAND_BYTES_MAX. */
  readonly commands: readonly Uint8Array[]
  readonly done: (outcome: ProposalOutcome<R>) => void
}

export type ReadOutcome =
  | { readonly type: 'ok' }
  /** OVERLOADED: too many wait already. NO_QUORUM: the round found none. */
  | { readonly type: 'refused'; readonly reason: 'NOT_LEADER' | 'NO_QUORUM' | 'OVERLOADED' }

export interface GroupStatus {
  readonly role: 'follower' | 'candidate' | 'leader'
  readonly term: number
  /** 0 when unknown. */
  readonly leaderReplica: ReplicaId
  readonly leaderNode: NodeId
  /** Leader, and its own term's first entry is applied: it may dispatch, propose and stamp times. */
  readonly ready: boolean
  readonly commit: number
  readonly applied: number
  /** The view's last at', ms. */
  readonly lastAt: number
  /** On the leader: matchIndex by replica. */
  readonly match: ReadonlyMap<ReplicaId, number>
}

/** What the core of a replica knows, for whoever looks from outside. */
export interface CoreView {
  readonly status: RaftStatus
  /** Ascending by replica; empty unless this one leads. */
  readonly progress: readonly Progress[]
}

export interface GroupObserver<E> {
  /** Role, term, leader or `ready` changed. */
  status(status: GroupStatus): void
  /** After each applied entry, on every replica. */
  applied(effects: readonly E[], at: number, index: number): void
  /** A snapshot replaced the view's memory: everything derived from it is void. */
  reloaded(): void
}

export interface GroupHandle<R, E, V extends View<R, E> = View<R, E>> {
  readonly group: GroupId
  readonly replica: ReplicaId
  readonly members: readonly Member[]
  readonly view: V
  /** All that may read rows outside apply. */
  readonly reader: Reader
  status(): GroupStatus
  /** This node's wall clock, ms, kept within `max_clock_skew` of what a majority of the group's clocks show. */
  wallMs(): number
  /** `done` may be called before this returns. Refused with NOT_LEADER until `status().ready`. */
  propose(proposal: Proposal<R>): void
  /** Calls back once this replica has applied everything committed when the call was made (ReadIndex, §6.4 of Ongaro's thesis). */
  read(done: (outcome: ReadOutcome) => void): void
  transferLeadership(to: ReplicaId): void
  observe(observer: GroupObserver<E>): void
}
