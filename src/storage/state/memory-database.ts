/**
 * The state database in memory: the same promises without a disk. What outlives a store is in its `MemoryDisk`, which can
 * lose its power as a real one does: batches are synced and stay, deletes behind the last batch do not.
 * Invariant: a batch takes effect at one moment, at the end of a turn, and only if its store still owns the disk.
 */
import { assert } from '../../base/assert.ts'
import type { Env } from '../../base/env.ts'
import { SandglassError } from '../../base/errors.ts'
import type { Database, RowIterator, WriteBatch } from './database.ts'
import { END_KEY } from './keys.ts'
import type { PointReads } from './points/point-reads.ts'
import { Tree, type TreeCursor } from './tree.ts'
import type { KeyRange, Row, RowRead } from './types.ts'

const ROWS_PER_READ = 64
const EVERYTHING: KeyRange = { gte: '', lt: END_KEY }

/** What outlives a memory store: hand the same one to a new store and it finds the last checkpoints (a restart). */
export class MemoryDisk {
  readonly #tree = new Tree()
  readonly #readers = new Set<MemoryIterator>()
  /** Rows deleted without a sync since the last batch. */
  readonly #unsynced: Row[] = []
  #owner: object | undefined = undefined

  /** Whoever owned the disk before can no longer change it. */
  own(owner: object): void {
    this.#owner = owner
  }

  get(key: string): Uint8Array | undefined {
    return this.#tree.get(key) ?? undefined
  }

  iterate(range: KeyRange, reverse: boolean, cut: number): MemoryIterator {
    const reader = new MemoryIterator(this.#tree.cursor(range, reverse), cut, () => this.#readers.delete(reader))
    this.#readers.add(reader)
    return reader
  }

  /** Not to be kept over a change. Throws for a former owner, as all that follow. */
  cursor(owner: object, range: KeyRange): TreeCursor {
    this.#assertOwned(owner)
    return this.#tree.cursor(range, false)
  }

  /** A synced batch: durable, and with it whatever came before. */
  write(owner: object, rows: readonly BatchRow[]): void {
    this.#assertOwned(owner)
    this.#detachReaders()
    for (const { key, value } of rows) put(this.#tree, key, value)
    this.#unsynced.length = 0
  }

  /** Deletes without a sync: they are durable with the next batch. */
  erase(owner: object, keys: readonly string[]): void {
    this.#assertOwned(owner)
    this.#detachReaders()
    for (const key of keys) {
      const value = this.get(key)
      if (value === undefined) continue
      this.#unsynced.push({ key, value })
      put(this.#tree, key, undefined)
    }
  }

  /** The power goes: what was deleted without a sync is there again, and nobody owns the disk. */
  cutPower(): void {
    this.#owner = undefined
    this.#detachReaders()
    for (const { key, value } of this.#unsynced.splice(0)) put(this.#tree, key, value)
  }

  /** An independent disk with the same contents. */
  copy(): MemoryDisk {
    const copy = new MemoryDisk()
    for (const cursor = this.#tree.cursor(EVERYTHING, false); cursor.key !== undefined; cursor.advance()) {
      put(copy.#tree, cursor.key, cursor.value ?? undefined)
    }
    copy.#unsynced.push(...this.#unsynced)
    return copy
  }

  /** They first take what is left of their range as it is now. */
  #detachReaders(): void {
    for (const reader of this.#readers) reader.detach()
    this.#readers.clear()
  }

  #assertOwned(owner: object): void {
    if (owner !== this.#owner) throw closed()
  }
}

export class MemoryDatabase implements Database {
  readonly #disk: MemoryDisk
  readonly #env: Env
  #closed = false

  constructor(disk: MemoryDisk, env: Env) {
    this.#disk = disk
    this.#env = env
    disk.own(this)
  }

  get(key: string): Uint8Array | undefined {
    this.#assertOpen()
    return this.#disk.get(key)
  }

  iterate(range: KeyRange, reverse: boolean, cut: number): RowIterator {
    this.#assertOpen()
    return this.#disk.iterate(range, reverse, cut)
  }

  iterateKeys(range: KeyRange, cut: number): RowIterator {
    return this.iterate(range, false, cut)
  }

  points(keys: readonly string[]): PointReads {
    return new MemoryPoints(keys.map((key) => this.get(key)))
  }

  capture(key: string, range: KeyRange, cut: number): { value: Uint8Array | undefined; rows: RowIterator } {
    return { value: this.get(key), rows: this.iterate(range, false, cut) }
  }

  firstKey(range: KeyRange): Promise<string | undefined> {
    return this.#atEndOfTurn(() => this.#disk.cursor(this, range).key)
  }

  async batch(): Promise<WriteBatch> {
    this.#assertOpen()
    return new MemoryBatch((rows) => this.#atEndOfTurn(() => this.#disk.write(this, rows)))
  }

  clear(range: KeyRange, rowsMax: number): Promise<boolean> {
    return this.#atEndOfTurn(() => {
      const keys: string[] = []
      const cursor = this.#disk.cursor(this, range)
      for (; cursor.key !== undefined && keys.length < rowsMax; cursor.advance()) keys.push(cursor.key)
      const left = cursor.key !== undefined
      this.#disk.erase(this, keys)
      return left
    })
  }

  ready(): undefined {
    return undefined
  }

  reopened(): number {
    return 0
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #atEndOfTurn<T>(run: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#env.endOfTurn(() => {
        try {
          this.#assertOpen()
          resolve(run())
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  #assertOpen(): void {
    if (this.#closed) throw closed()
  }
}

/** undefined: deleted. */
interface BatchRow {
  readonly key: string
  readonly value: Uint8Array | undefined
}

class MemoryBatch implements WriteBatch {
  readonly #rows: BatchRow[] = []
  readonly #commit: (rows: readonly BatchRow[]) => Promise<void>
  #ended = false

  constructor(commit: (rows: readonly BatchRow[]) => Promise<void>) {
    this.#commit = commit
  }

  put(key: string, value: Uint8Array): void {
    // LevelDB copies here too; what the caller does with its buffer afterwards changes nothing.
    this.#rows.push({ key, value: value.slice() })
  }

  delete(key: string): void {
    this.#rows.push({ key, value: undefined })
  }

  checksum(): number {
    return this.#rows.length
  }

  write(): Promise<void> {
    this.drop()
    return this.#commit(this.#rows)
  }

  drop(): void {
    assert(!this.#ended, 'a batch ends once')
    this.#ended = true
  }
}

class MemoryIterator implements RowIterator {
  readonly #cursor: TreeCursor
  readonly #cut: number
  readonly #leave: () => void
  #detached: Row[] | undefined = undefined

  constructor(cursor: TreeCursor, cut: number, leave: () => void) {
    this.#cursor = cursor
    this.#cut = cut
    this.#leave = leave
  }

  async next(): Promise<readonly Row[]> {
    return this.#detached === undefined ? this.#read(ROWS_PER_READ) : this.#detached.splice(0, ROWS_PER_READ)
  }

  async close(): Promise<void> {
    this.#leave()
  }

  detach(): void {
    this.#detached = this.#read(Number.POSITIVE_INFINITY)
  }

  #read(rowsMax: number): Row[] {
    const rows: Row[] = []
    for (; this.#cursor.key !== undefined && rows.length < rowsMax; this.#cursor.advance()) {
      rows.push({ key: this.#cursor.key.slice(this.#cut), value: this.#cursor.value ?? new Uint8Array() })
    }
    return rows
  }
}

class MemoryPoints implements PointReads {
  readonly #values: RowRead[]

  constructor(values: RowRead[]) {
    this.#values = values
  }

  async next(count: number): Promise<readonly RowRead[]> {
    return this.#values.splice(0, count)
  }

  async close(): Promise<void> {
    this.#values.length = 0
  }
}

function put(tree: Tree, key: string, value: Uint8Array | undefined): void {
  const found = tree.seek(key)
  if (value === undefined) {
    if (found) tree.remove()
  } else if (found) tree.replace(value, false)
  else tree.insert(key, value, false)
}

function closed(): SandglassError {
  return new SandglassError('SHUTTING_DOWN', 'Cannot use the state database: it is closed')
}
