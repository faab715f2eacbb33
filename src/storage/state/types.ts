/**
 * State of the groups of one shard: per group an ordered key space, a stack of in-memory layers over one LevelDB.
 * Keys are strings of bytes (every char code 0 to 255), compared as bytes; views see them without the (group,
 * generation) prefix. Writes are durable only through `checkpoint`; after a crash the log replays from `meta`.
 */
import type { Env } from '../../base/env.ts'
import type { SandglassError } from '../../base/errors.ts'
import type { GroupId } from '../../base/ids.ts'
import type { ConfState } from '../../base/log-entry.ts'

export type Key = string

export interface Row {
  readonly key: Key
  readonly value: Uint8Array
}

export interface KeyRange {
  /** Inclusive. */
  readonly gte: Key
  /** Exclusive. */
  readonly lt: Key
}

/** Stored with the rows in one atomic synced batch: what the state stands for. */
export interface CheckpointMeta {
  readonly applied: number
  readonly term: number
  readonly confState: ConfState
  /** The view's last at', ms. */
  readonly lastAt: number
}

/** Rows made from memory, of keys that nobody reads before they are loaded. To be written once, whole; a step is little work. */
export interface MoreRows {
  write(to: { put(key: Key, value: Uint8Array): void; delete(key: Key): void }): Generator<void, void>
}

/** What apply may do: synchronous point operations on the top layer. */
export interface ViewStore {
  get(key: Key): Uint8Array | undefined
  /** `fresh`: the key is known not to exist, so that deleting it before the next checkpoint costs nothing below. */
  put(key: Key, value: Uint8Array, fresh?: boolean): void
  delete(key: Key): void
}

/** What a point read finds: the value, undefined without a row, or why the row cannot be read. */
export type RowRead = Uint8Array | undefined | SandglassError

/**
 * Consistent reads: layers and database are captured in one synchronous step. While the database is being reopened they
 * wait. Damage that a read meets is remembered (`damage`).
 */
export interface StateReader {
  /** Up to `limit` rows and about `maxBytes`, ascending (or descending with `reverse`). */
  scan(range: KeyRange, limit: number, options?: { reverse?: boolean; maxBytes?: number }): Promise<readonly Row[]>
  /**
   * The rows of `keys`, in their order: those that make up about `maxBytes`, at least one. With `expected` a row that is
   * not there is damage. Damage is told in its row's place and costs no other.
   */
  getMany(keys: readonly Key[], options?: { maxBytes?: number; expected?: boolean }): Promise<readonly RowRead[]>
  /** How many rows lie in the range, counted up to `limit`. No value leaves the database. */
  count(range: KeyRange, limit: number): Promise<number>
}

export interface GroupState extends ViewStore, StateReader {
  readonly group: GroupId
  /** Of the last completed checkpoint; undefined before the first. */
  readonly meta: CheckpointMeta | undefined
  /**
   * Why what lies on disk cannot be trusted; undefined while all is well. Found when the group is opened, or by a read.
   * From then on reads that need the disk, checkpoints and outgoing snapshots are refused; an installed snapshot heals.
   */
  readonly damage: string | undefined
  /** Bytes in memory layers, backing buffers and per-row cost included. */
  bytes(): number
  /**
   * Freezes the top layer now, writes it with `meta` in one synced batch, resolves when durable. One at a time. Rejects
   * with DISK_FULL or INTERNAL after several tries; the layers still hold the rows and the next call takes them along.
   * `freeze` is called now unless that is refused; its rows go with the batch, made in slices of the event loop.
   */
  checkpoint(meta: CheckpointMeta, freeze?: () => MoreRows): Promise<void>
  /** Consistent view of the last completed checkpoint, to be sent to a follower. */
  openSnapshot(): Promise<SnapshotSource>
  /**
   * Begins a snapshot from a leader under the next generation; an earlier unfinished one is dropped. `check` is asked for
   * each row as it comes, in the order of the keys; by default every row passes.
   */
  beginInstall(check?: RowCheck): Promise<SnapshotSink>
}

/** Whether a row is one that its view can read. */
export interface RowCheck {
  takes(key: Key, value: Uint8Array): boolean
}

export interface SnapshotSource {
  readonly meta: CheckpointMeta
  /** Next chunk with its own checksum inside, at most `maxBytes`; undefined at the end. */
  next(maxBytes: number): Promise<Uint8Array | undefined>
  close(): Promise<void>
}

export interface SnapshotSink {
  /** Rejects with INVALID a chunk that is damaged or out of order, or has a row that is not in order or not taken. */
  write(chunk: Uint8Array): Promise<void>
  /** Writes what is left, and resolves with reads of all that came. Rejects with INVALID before the last chunk was taken. */
  staged(): Promise<StateReader>
  /** One synced batch flips the generation; layers are empty afterwards and `meta` is the snapshot's. */
  commit(meta: CheckpointMeta): Promise<void>
  abort(): Promise<void>
}

export interface StateStore {
  /** Opens the group's current generation (created empty when unknown). */
  group(group: GroupId): Promise<GroupState>
  /** Removes everything of a group; clearing is sliced and survives a restart. */
  remove(group: GroupId): Promise<void>
  /**
   * undefined while reads work; a promise to await before the next apply while the database is being reopened after a
   * failed write (a `get` that misses the layers would throw). Changes only between turns of the event loop.
   */
  ready(): Promise<void> | undefined
  stats(): StateStats
  close(): Promise<void>
}

export interface StateStats {
  readonly layerBytes: number
  readonly checkpoints: number
  /** Generations of rows that wait to be cleared. */
  readonly deadGenerations: number
  /** How often a failed write closed and reopened the database. */
  readonly reopened: number
}

export interface StateOptions {
  /** Folder of the database; created when missing. One process at a time (see `isLocked`). */
  readonly dir: string
  readonly env: Env
  /** Hears of every failed write, also those that a retry made good. */
  readonly onError?: (error: unknown) => void
  /** LevelDB's block cache, bytes. */
  readonly cacheBytes?: number
  /** LevelDB's memtable, bytes; up to two of them exist. */
  readonly writeBufferBytes?: number
}

export interface StateDamage {
  /** Within the folder, if it is known. */
  readonly file?: string
  /** In that file. */
  readonly offset?: number
  /** Without it those that had keys in `keys`, and without that any. */
  readonly group?: GroupId
  readonly keys?: KeyRange | undefined
  readonly text: string
}

/** A group as its last completed checkpoint left it. */
export interface StoredGroup {
  readonly group: GroupId
  readonly generation: number
  readonly applied: number
  readonly term: number
  readonly rows: number
}

/** What `inspectState` found; `damage` is empty when all is well, and `groups` only what could be read. */
export interface StateInspection {
  readonly groups: readonly StoredGroup[]
  readonly damage: readonly StateDamage[]
  /** Where its files end; what is missing from it was there. */
  readonly end?: { readonly file: string; readonly offset: number } | undefined
}
