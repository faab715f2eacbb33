/**
 * The state database in memory: the same promises without a disk. What outlives a store is in its `MemoryDisk`.
 * Invariant: a batch takes effect at one moment, at the end of a turn, and only if its store still owns the disk.
 */
import { assert } from '../../base/assert.ts'
import type { Env } from '../../base/env.ts'
import { SandglassError } from '../../base/errors.ts'
import type { Database, RowIterator, WriteBatch } from './database.ts'
import { Tree, type TreeCursor } from './tree.ts'
import type { KeyRange, Row } from './types.ts'

const ROWS_PER_READ = 64

/** What outlives a memory store: hand the same one to a new store and it finds the last checkpoints (a restart). */
export class MemoryDisk {
  readonly #tree = new Tree()
  readonly #readers = new Set<MemoryIterator>()
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

  /** Readers first take what is left of their range as it is now. Rejected for a former owner. */
  change(owner: object, run: (tree: Tree) => void): void {
    if (owner !== this.#owner) throw closed()
    for (const reader of this.#readers) reader.detach()
    this.#readers.clear()
    run(this.#tree)
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

  capture(key: string, range: KeyRange, cut: number): { value: Uint8Array | undefined; rows: RowIterator } {
    return { value: this.get(key), rows: this.iterate(range, false, cut) }
  }

  firstKey(range: KeyRange): Promise<string | undefined> {
    return this.#atEndOfTurn(() => {
      let first: string | undefined
      this.#disk.change(this, (tree) => {
        first = tree.cursor(range, false).key
      })
      return first
    })
  }

  async batch(): Promise<WriteBatch> {
    this.#assertOpen()
    return new MemoryBatch((run) => this.#atEndOfTurn(() => this.#disk.change(this, run)))
  }

  clear(range: KeyRange, rowsMax: number): Promise<boolean> {
    return this.#atEndOfTurn(() => {
      let left = false
      this.#disk.change(this, (tree) => {
        const keys: string[] = []
        const cursor = tree.cursor(range, false)
        for (; cursor.key !== undefined && keys.length < rowsMax; cursor.advance()) keys.push(cursor.key)
        left = cursor.key !== undefined
        for (const key of keys) erase(tree, key)
      })
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

class MemoryBatch implements WriteBatch {
  readonly #rows: { key: string; value: Uint8Array | undefined }[] = []
  readonly #commit: (run: (tree: Tree) => void) => Promise<void>
  #ended = false

  constructor(commit: (run: (tree: Tree) => void) => Promise<void>) {
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
    return this.#commit((tree) => {
      for (const { key, value } of this.#rows) {
        if (value === undefined) erase(tree, key)
        else if (tree.seek(key)) tree.replace(value, false)
        else tree.insert(key, value, false)
      }
    })
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

function erase(tree: Tree, key: string): void {
  if (tree.seek(key)) tree.remove()
}

function closed(): SandglassError {
  return new SandglassError('SHUTTING_DOWN', 'Cannot use the state database: it is closed')
}
