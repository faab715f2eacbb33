/**
 * The state database on LevelDB, the only place that knows classic-level. LevelDB by itself hands out damaged values,
 * skips damaged blocks and forgets damaged batches; the checksum behind every value and the checks at an iterator's end
 * make the first two visible, the chain of batches (head.ts) the third.
 * Invariants: at most two jobs run in the thread pool, one of them a write; a failed write reopens the database.
 */
import { ClassicLevel, type Snapshot } from 'classic-level'
import { SandglassError } from '../../base/errors.ts'
import type { Database, RowIterator, WriteBatch } from './database.ts'
import { findLock } from './files/lock-file.ts'
import { LevelBatch } from './level-batch.ts'
import { type Level, LevelIterator, unreadable } from './level-iterator.ts'
import { isLocked } from './locked.ts'
import { LevelPoints } from './points/level-points.ts'
import type { PointReads } from './points/point-reads.ts'
import { openValue } from './sealed-value.ts'
import { Slots } from './slots.ts'
import type { KeyRange, StateOptions } from './types.ts'

export interface LevelOptions extends Omit<StateOptions, 'env'> {
  /** false: a folder without a database is refused. */
  readonly create?: boolean
  /** Waits before the next try to reopen. */
  pause(ms: number): Promise<void>
}

/** LevelDB shares the thread pool with the log's fdatasync, which must not wait behind it. */
const JOBS_MAX = 2
/** Steady state reads nothing, and a scan reads each block once. */
const CACHE_BYTES = 8 * 1024 * 1024
/** Tables that stay open, 2 MiB each: LevelDB maps them, and what was read of them counts as memory of the process. */
const OPEN_FILES_MAX = 100
/** Larger than one checkpoint would only lengthen recovery. */
const WRITE_BUFFER_BYTES = 16 * 1024 * 1024
const AS_BUFFERS = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
const REOPEN_DELAY_MS = 100
const REOPEN_DELAY_MS_MAX = 2000

/** Rejects with the reason as `cause`. */
export async function openLevelDatabase(options: LevelOptions): Promise<LevelDatabase> {
  const level: Level = new ClassicLevel(options.dir, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  const open = {
    createIfMissing: options.create ?? true,
    cacheSize: options.cacheBytes ?? CACHE_BYTES,
    maxOpenFiles: OPEN_FILES_MAX,
    writeBufferSize: options.writeBufferBytes ?? WRITE_BUFFER_BYTES,
  }
  try {
    await level.open(open)
  } catch (error) {
    throw new SandglassError('INTERNAL', `Cannot open ${options.dir}: ${reasonOf(error)}`, { cause: error })
  }
  return new LevelDatabase(level, open, options)
}

/**
 * Rebuilds the database from the tables and logs that are there. It trusts all of them: damaged ones must have been
 * taken away before. Its first step only tries the lock; opening might read damage, at which LevelDB may even abort.
 */
export async function repairLevelDatabase(dir: string, prepare: () => Promise<void>): Promise<void> {
  const probe: Level = new ClassicLevel(dir)
  try {
    await probe.open({ errorIfExists: true, createIfMissing: false })
    await probe.close()
  } catch (error) {
    if (isLocked(error)) throw new SandglassError('INTERNAL', `Cannot repair ${dir}: it is in use`, { cause: error })
  }
  await prepare()
  try {
    await ClassicLevel.repair(dir)
  } catch (error) {
    throw new SandglassError('INTERNAL', `Cannot repair ${dir}: ${reasonOf(error)}`, { cause: error })
  }
}

/**
 * Rejects with an error for which `isLocked` holds while a process has the folder; writes nothing there. Not for a
 * process that has the folder itself.
 */
export async function refuseIfInUse(dir: string): Promise<void> {
  const held = await findLock(dir, openOnce).catch((error: unknown) => {
    if (isLocked(error)) return 'held' as const
    throw error
  })
  if (held === 'free') return
  const cause = Object.assign(new Error('the lock is taken'), { code: 'LEVEL_LOCKED' })
  throw new SandglassError('INTERNAL', `Cannot look at ${dir}: it is in use`, { cause })
}

async function openOnce(dir: string): Promise<void> {
  const level: Level = new ClassicLevel(dir)
  try {
    await level.open()
    await level.close()
  } catch (error) {
    // On a read-only file system nobody can have it open.
    if (!/Read-only file system/i.test(reasonOf(error))) throw error
  }
}

export class LevelDatabase implements Database {
  readonly #level: Level
  readonly #open: object
  readonly #pause: (ms: number) => Promise<void>
  readonly #onError: (error: unknown) => void
  readonly #writer = new Slots(1)
  readonly #jobs = new Slots(JOBS_MAX)
  #ready: Promise<void> | undefined = undefined
  #reopened = 0
  #scans = 0
  #scansEnded: (() => void) | undefined = undefined
  #closing = false

  constructor(level: Level, open: object, options: LevelOptions) {
    this.#level = level
    this.#open = open
    this.#pause = options.pause
    this.#onError = options.onError ?? (() => undefined)
  }

  get(key: string): Uint8Array | undefined {
    this.#assertOpen()
    return this.#read(Buffer.from(key, 'latin1'), {})
  }

  iterate(range: KeyRange, reverse: boolean, cut: number): RowIterator {
    this.#assertOpen()
    const rows = new LevelIterator(this.#level, this.#jobs, { range, reverse, cut }, () => this.#scanEnded())
    this.#scans++
    return rows
  }

  iterateKeys(range: KeyRange, cut: number): RowIterator {
    this.#assertOpen()
    this.#scans++
    const scan = { range, reverse: false, cut, keysOnly: true }
    return new LevelIterator(this.#level, this.#jobs, scan, () => this.#scanEnded())
  }

  points(keys: readonly string[]): PointReads {
    this.#assertOpen()
    this.#scans++
    return new LevelPoints(this.#level, this.#jobs, keys, () => this.#scanEnded())
  }

  capture(key: string, range: KeyRange, cut: number): { value: Uint8Array | undefined; rows: RowIterator } {
    this.#assertOpen()
    const snapshot = this.#level.snapshot()
    const close = () => void snapshot.close()
    try {
      const value = this.#read(Buffer.from(key, 'latin1'), { snapshot })
      return {
        value,
        rows: new LevelIterator(this.#level, this.#jobs, { range, reverse: false, cut, snapshot }, close),
      }
    } catch (error) {
      close()
      throw error
    }
  }

  async firstKey(range: KeyRange): Promise<string | undefined> {
    this.#assertOpen()
    const keys = this.#level.keys<Buffer>({ ...rangeBuffers(range), limit: 1, keyEncoding: 'buffer' })
    try {
      const first = await this.#jobs.run(() => keys.next())
      return first?.toString('latin1')
    } finally {
      await keys.close()
    }
  }

  async batch(): Promise<WriteBatch> {
    await this.#writer.acquire()
    try {
      this.#assertOpen()
      return new LevelBatch(this.#level.batch(), (write) => this.#finish(write))
    } catch (error) {
      this.#writer.release()
      throw error
    }
  }

  async clear(range: KeyRange, rowsMax: number): Promise<boolean> {
    await this.#writer.acquire()
    await this.#finish(async () => {
      this.#assertOpen()
      await this.#level.clear({ ...rangeBuffers(range), limit: rowsMax })
    })
    return (await this.firstKey(range)) !== undefined
  }

  ready(): Promise<void> | undefined {
    return this.#ready
  }

  reopened(): number {
    return this.#reopened
  }

  async close(): Promise<void> {
    this.#closing = true
    await this.#ready
    await this.#level.close()
  }

  #read(key: Buffer, from: { readonly snapshot?: Snapshot }): Uint8Array | undefined {
    let sealed: Buffer | undefined
    try {
      sealed = this.#level.getSync<Buffer, Buffer>(key, { ...from, ...AS_BUFFERS })
    } catch (error) {
      throw unreadable(error)
    }
    return sealed === undefined ? undefined : openValue(key, sealed)
  }

  /** The end of a batch: writes it if there is something to write, and lets the next one begin. */
  async #finish(write: (() => Promise<void>) | undefined): Promise<void> {
    try {
      if (write !== undefined) await this.#jobs.run(write)
    } catch (error) {
      this.#onError(error)
      await this.#reopen()
      throw failure(error)
    } finally {
      this.#writer.release()
    }
  }

  /** After a failed write LevelDB's log may end in half a record, and what follows it would not be read again. */
  async #reopen(): Promise<void> {
    if (this.#closing || this.#level.status !== 'open') return
    let reopened: () => void = () => undefined
    this.#ready = new Promise((resolve) => {
      reopened = resolve
    })
    if (this.#scans > 0) {
      await new Promise<void>((resolve) => {
        this.#scansEnded = resolve
      })
    }
    await this.#level.close()
    for (let delayMs = REOPEN_DELAY_MS; !this.#closing; delayMs = Math.min(delayMs * 2, REOPEN_DELAY_MS_MAX)) {
      try {
        await this.#level.open(this.#open)
        this.#reopened++
        break
      } catch (error) {
        this.#onError(error)
        await this.#pause(delayMs)
      }
    }
    this.#ready = undefined
    reopened()
  }

  #scanEnded(): void {
    this.#scans--
    if (this.#scans > 0) return
    this.#scansEnded?.()
    this.#scansEnded = undefined
  }

  #assertOpen(): void {
    if (this.#level.status !== 'open') {
      throw new SandglassError('SHUTTING_DOWN', `Cannot use the state database: it is ${this.#level.status}`)
    }
  }
}

function rangeBuffers(range: KeyRange): { gte: Buffer; lt: Buffer } {
  return { gte: Buffer.from(range.gte, 'latin1'), lt: Buffer.from(range.lt, 'latin1') }
}

function failure(error: unknown): SandglassError {
  if (error instanceof SandglassError) return error
  const reason = reasonOf(error)
  const full = /no space left|disk quota/i.test(reason)
  return new SandglassError(full ? 'DISK_FULL' : 'INTERNAL', `Cannot write state: ${reason}`, { cause: error })
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
