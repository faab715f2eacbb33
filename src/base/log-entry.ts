/**
 * The vocabulary that raft/ and storage/ share without knowing each other: an entry of a Raft log and the state that
 * must be durable beside it (Ongaro & Ousterhout 2014, figure 2). Indexes and terms are integers below 2^53.
 */
export type EntryType = 'normal' | 'confChange'

export interface Entry {
  readonly term: number
  readonly index: number
  readonly type: EntryType
  /** Empty for the entry with which a leader begins its term. */
  readonly data: Uint8Array
}

/** Durable before any message that depends on it leaves. `vote` 0 means none in this term. */
export interface HardState {
  readonly term: number
  readonly vote: number
  readonly commit: number
}

/** A configuration (§6), replica ids ascending. `votersOutgoing` is non-empty only in a joint one. */
export interface ConfState {
  readonly voters: readonly number[]
  readonly votersOutgoing: readonly number[]
  readonly learners: readonly number[]
  readonly learnersNext: readonly number[]
  readonly autoLeave: boolean
}

/** What a snapshot stands for: the state after `index` was applied (§7). */
export interface SnapshotMeta {
  readonly index: number
  readonly term: number
  readonly confState: ConfState
}
