/**
 * The write-ahead log of one shard: one file sequence shared by all groups. What `append` confirms was fdatasynced.
 * Invariant: per group, entries are contiguous from `base.index + 1` to `lastIndex`.
 */
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import type { Entry, HardState } from '../../base/log-entry.ts'

/** One group's part of a batch. Order of effect: removed, snapshot, entries, hard. */
export interface WalWrite {
  readonly group: GroupId
  readonly replica: ReplicaId
  /** The first entry's index replaces everything of the group from there on. */
  readonly entries?: readonly Entry[]
  readonly hard?: HardState
  /** The log restarts empty behind this position (a snapshot was installed). */
  readonly snapshot?: LogPosition
  /** Tombstone: this replica is gone for good; a later write needs another replica id. */
  readonly removed?: true
}

export interface LogPosition {
  readonly index: number
  readonly term: number
}

/** Durable log of one group; satisfies the read side of raft's LogStorage. Reads are synchronous. */
export interface GroupLog {
  readonly group: GroupId
  readonly replica: ReplicaId
  readonly hard: HardState | undefined
  /** Position before the first entry. */
  readonly base: LogPosition
  firstIndex(): number
  lastIndex(): number
  /** undefined outside [base.index, lastIndex]. */
  term(index: number): number | undefined
  /** Entries in [lo, hi), at least one, then up to `maxBytes`. From memory if recent, else read from the segment. */
  entries(lo: number, hi: number, maxBytes: number): readonly Entry[]
  /** Whether an entry in [lo, hi) is a change of the configuration; from memory. */
  hasConfChange(lo: number, hi: number): boolean
  /** Bytes of log from `index` to the end: what a follower at `index` still needs. */
  bytesFrom(index: number): number
}

/** full: no room for more, in bytes or in file handles. stuck: the disk does not answer. failed: for good. */
export type WalState = 'ok' | 'full' | 'stuck' | 'failed'

export interface Wal {
  /** Joins the batch that the end of this turn closes. `done` runs once this batch is durable, in order of append. */
  append(write: WalWrite, done: () => void): void
  /** The log of a live replica, created by its first append; undefined when unknown or removed. */
  group(group: GroupId): GroupLog | undefined
  groups(): Iterable<GroupLog>
  /** The newest replica of the group that is gone for good, removed or lost to damage; a later write needs a higher id. */
  tombstone(group: GroupId): ReplicaId | undefined
  /**
   * The state on the disk covers everything up to `covered`, and no more: less than it once did when an older snapshot has
   * healed it. `keepFrom`: the lowest index that a follower needs, kept for it within what is retained; `heldFrom`: that one
   * does to whom a snapshot is on its way, kept beyond that as well, by default none. (docs/formats.md, "Size of the log")
   */
  release(group: GroupId, covered: LogPosition, keepFrom: number, heldFrom?: number): void
  /** Groups whose uncheckpointed entries hold old segments or soon will: they should be checkpointed. */
  laggards(): readonly GroupId[]
  readonly state: WalState
  /** As in the stats. */
  readonly pendingBytes: number
  stats(): WalStats
  /** Waits for the batch in flight, writes an empty batch so that the last one is proven, closes. */
  close(): Promise<void>
}

export interface WalStats {
  readonly state: WalState
  readonly bytes: number
  readonly segments: number
  readonly batches: number
  /** Bytes appended and not yet durable: the replication layer refuses proposals beyond its bound. */
  readonly pendingBytes: number
}

/** One durable batch: its bytes on disk, and how long write and fdatasync took. */
export interface WalBatchStats {
  readonly bytes: number
  readonly writeMs: number
  readonly fsyncMs: number
}

/** Groups that lost this replica for good, and where. Their tombstones are durable when the log is open. */
export interface WalDamage {
  readonly file: string
  readonly offset: number
  readonly reason: string
  readonly groups: readonly GroupId[]
  /**
   * Replicas that the log does not know any more may have had records there too: whoever knows of replicas without log
   * and tombstone must append `removed` for them before anything else. Such a place is told by every open from then on.
   */
  readonly everyGroup: boolean
}
