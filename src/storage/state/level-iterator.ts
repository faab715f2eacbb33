/**
 * Reads rows of LevelDB in order. LevelDB passes over a block that it cannot read and tells only at an iterator's end;
 * so one that stops early is moved to its end before the rows count as complete.
 */
import type { ClassicLevel, Iterator as NativeIterator, Snapshot } from 'classic-level'
import { SandglassError } from '../../base/errors.ts'
import type { RowIterator } from './database.ts'
import { openValue } from './sealed-value.ts'
import type { Slots } from './slots.ts'
import type { KeyRange, Row } from './types.ts'

export type Level = ClassicLevel<Buffer, Buffer>

const ROWS_FIRST = 64
const ROWS_MAX = 1024
const BYTES_MAX = 256 * 1024
/** Passing over a value reads its block all the same, and no bound on bytes sees it. */
const KEYS_MAX = 256
const NO_VALUE = new Uint8Array()

export interface LevelScan {
  readonly range: KeyRange
  readonly reverse: boolean
  /** Bytes to leave out at the beginning of each key. */
  readonly cut: number
  readonly snapshot?: Snapshot
  readonly keysOnly?: boolean
}

export class LevelIterator implements RowIterator {
  readonly #level: Level
  readonly #jobs: Slots
  readonly #cut: number
  readonly #iterator: NativeIterator<Level, Buffer, Buffer>
  readonly #gte: Buffer
  readonly #lt: Buffer
  readonly #reverse: boolean
  readonly #done: () => void
  readonly #keysOnly: boolean
  #rows = ROWS_FIRST
  #last: Buffer | undefined = undefined
  #ended = false
  #closed = false

  constructor(level: Level, jobs: Slots, scan: LevelScan, done: () => void) {
    this.#level = level
    this.#jobs = jobs
    this.#cut = scan.cut
    this.#done = done
    this.#gte = Buffer.from(scan.range.gte, 'latin1')
    this.#lt = Buffer.from(scan.range.lt, 'latin1')
    this.#reverse = scan.reverse
    this.#keysOnly = scan.keysOnly ?? false
    this.#iterator = level.iterator<Buffer, Buffer>({
      gte: this.#gte,
      lt: this.#lt,
      reverse: scan.reverse,
      values: !this.#keysOnly,
      highWaterMarkBytes: BYTES_MAX,
      ...(scan.snapshot === undefined ? {} : { snapshot: scan.snapshot }),
    })
  }

  async next(): Promise<readonly Row[]> {
    if (this.#ended) return []
    const entries = await this.#jobs.run(() => this.#iterator.nextv(this.#rows)).catch(rethrow)
    this.#rows = Math.min(this.#rows * 2, this.#keysOnly ? KEYS_MAX : ROWS_MAX)
    this.#ended = entries.length === 0
    const rows: Row[] = []
    for (const [key, sealed] of entries) {
      this.#last = key
      const value = this.#keysOnly ? NO_VALUE : openValue(key, sealed)
      rows.push({ key: key.toString('latin1', this.#cut), value })
    }
    return rows
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    try {
      if (!this.#ended && this.#last !== undefined) await this.#check(this.#last)
    } finally {
      await this.#iterator.close().finally(this.#done)
    }
  }

  /** Was anything passed over up to `last`? */
  async #check(last: Buffer): Promise<void> {
    try {
      this.#iterator.seek(this.#lt)
      await this.#jobs.run(() => this.#iterator.nextv(1))
    } catch {
      // The way to the end may have met damage elsewhere: only what lies up to the last row that was read counts.
      await this.#readAgain(last)
    }
  }

  async #readAgain(last: Buffer): Promise<void> {
    const range = this.#reverse ? { gte: last, lt: this.#lt } : { gte: this.#gte, lte: last }
    const again = this.#level.iterator<Buffer, Buffer>({ ...range, highWaterMarkBytes: BYTES_MAX })
    try {
      for (let more = true; more; ) {
        more = (await this.#jobs.run(() => again.nextv(ROWS_MAX)).catch(rethrow)).length > 0
      }
    } finally {
      await again.close()
    }
  }
}

function rethrow(error: unknown): never {
  throw unreadable(error)
}

/** INTERNAL when the database said that it cannot read; SHUTTING_DOWN when it was closed meanwhile. */
export function unreadable(error: unknown): SandglassError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const damaged = code === 'LEVEL_CORRUPTION' || code === 'LEVEL_IO_ERROR'
  const text = `Cannot read state: ${error instanceof Error ? error.message : String(error)}`
  return new SandglassError(damaged ? 'INTERNAL' : 'SHUTTING_DOWN', text, { cause: error })
}
