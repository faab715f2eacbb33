/**
 * What the state store needs of the one ordered database of its shard. Two implementations: LevelDB on disk and a tree
 * in memory. Keys are byte strings with the (group, generation) prefix (keys.ts); values come back as they were put.
 */
import type { PointReads } from './points/point-reads.ts'
import type { KeyRange, Row } from './types.ts'

export interface Database {
  /** Throws when the row is damaged or the database is being reopened (see `ready`). */
  get(key: string): Uint8Array | undefined
  /** Captures the database as it is now, synchronously. Keys come without their first `cut` bytes. */
  iterate(range: KeyRange, reverse: boolean, cut: number): RowIterator
  /** The same without values: each is empty. */
  iterateKeys(range: KeyRange, cut: number): RowIterator
  /** Captures the database as it is now, synchronously. */
  points(keys: readonly string[]): PointReads
  /** The value of `key` and the rows of a range, both as they are now. For long reads: a reopening ends it. */
  capture(key: string, range: KeyRange, cut: number): { value: Uint8Array | undefined; rows: RowIterator }
  /** First key in the range, whatever its value. */
  firstKey(range: KeyRange): Promise<string | undefined>
  /** Waits for its turn: one batch at a time is filled and written, whatever the number of groups. */
  batch(): Promise<WriteBatch>
  /** Deletes at most `rowsMax` rows of the range, not synced. Says whether some may be left. */
  clear(range: KeyRange, rowsMax: number): Promise<boolean>
  /** undefined while reads work, else what to wait for. */
  ready(): Promise<void> | undefined
  reopened(): number
  close(): Promise<void>
}

export interface RowIterator {
  /** Some rows, in order; none at the end. Rejects when something in between cannot be read. */
  next(): Promise<readonly Row[]>
  /** Rejects when something that was passed could not be read. */
  close(): Promise<void>
}

/** Atomic. Ends with exactly one `write` or `drop`, which lets the next batch begin. */
export interface WriteBatch {
  put(key: string, value: Uint8Array): void
  delete(key: string): void
  /** A checksum over the operations so far, in order. */
  checksum(): number
  /** Durable when it resolves. Rejected, it may still have taken effect; the database has been reopened by then. */
  write(): Promise<void>
  drop(): void
}

/** Resolves when reads work. */
export async function readable(database: Pick<Database, 'ready'>): Promise<void> {
  for (let ready = database.ready(); ready !== undefined; ready = database.ready()) await ready
}
