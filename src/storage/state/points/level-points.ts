/** Point reads of LevelDB under a snapshot. One damaged row costs no other: what a batch cannot read is read singly. */
import type { Snapshot } from 'classic-level'
import { SandglassError } from '../../../base/errors.ts'
import { type Level, unreadable } from '../level-iterator.ts'
import { openValue } from '../sealed-value.ts'
import type { Slots } from '../slots.ts'
import type { RowRead } from '../types.ts'
import type { PointReads } from './point-reads.ts'

const AS_BUFFERS = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const

export class LevelPoints implements PointReads {
  readonly #level: Level
  readonly #jobs: Slots
  readonly #keys: readonly string[]
  readonly #snapshot: Snapshot
  readonly #done: () => void
  #at = 0

  constructor(level: Level, jobs: Slots, keys: readonly string[], done: () => void) {
    this.#level = level
    this.#jobs = jobs
    this.#keys = keys
    this.#snapshot = level.snapshot()
    this.#done = done
  }

  async next(count: number): Promise<readonly RowRead[]> {
    const keys = this.#keys.slice(this.#at, this.#at + count).map((key) => Buffer.from(key, 'latin1'))
    this.#at += keys.length
    const options = { snapshot: this.#snapshot, ...AS_BUFFERS }
    let sealed: (Buffer | undefined)[]
    try {
      sealed = await this.#jobs.run(() => this.#level.getMany<Buffer, Buffer>(keys, options))
    } catch (error) {
      if (unreadable(error).reason !== 'INTERNAL') throw unreadable(error)
      return this.#singly(keys)
    }
    return sealed.map((value, i) => opened(keys[i], value))
  }

  async close(): Promise<void> {
    await this.#snapshot.close()
    this.#done()
  }

  async #singly(keys: readonly Buffer[]): Promise<readonly RowRead[]> {
    const rows: RowRead[] = []
    const options = { snapshot: this.#snapshot, ...AS_BUFFERS }
    for (const key of keys) {
      try {
        rows.push(opened(key, await this.#jobs.run(() => this.#level.get<Buffer, Buffer>(key, options))))
      } catch (error) {
        const told = unreadable(error)
        if (told.reason !== 'INTERNAL') throw told
        rows.push(told)
      }
    }
    return rows
  }
}

function opened(key: Buffer | undefined, sealed: Buffer | undefined): RowRead {
  if (key === undefined || sealed === undefined) return undefined
  try {
    return openValue(key, sealed)
  } catch (error) {
    if (error instanceof SandglassError) return error
    throw error
  }
}
