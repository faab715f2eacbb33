/** A snapshot on its way out: the rows of one generation as of its last completed checkpoint, in numbered chunks. */
import { assert } from '../../base/assert.ts'
import { chunkChecksum, EMPTY_CHUNK_BYTES, encodeChunk, rowBytes } from './chunk.ts'
import type { RowIterator } from './database.ts'
import type { CheckpointMeta, Row, SnapshotSource } from './types.ts'

export class StateSnapshotSource implements SnapshotSource {
  readonly meta: CheckpointMeta
  readonly #below: RowIterator
  readonly #onError: (error: unknown) => unknown
  #rows: readonly Row[] = []
  #at = 0
  #number = 0
  #before = 0
  #ended = false
  #reading = false

  /** `onError` hears of every read that fails, and answers what is thrown. */
  constructor(meta: CheckpointMeta, below: RowIterator, onError: (error: unknown) => unknown) {
    this.meta = meta
    this.#below = below
    this.#onError = onError
  }

  async next(maxBytes: number): Promise<Uint8Array | undefined> {
    assert(!this.#reading, 'chunks are read one after the other')
    if (this.#ended) return undefined
    this.#reading = true
    try {
      return await this.#chunk(maxBytes)
    } catch (error) {
      throw this.#onError(error)
    } finally {
      this.#reading = false
    }
  }

  async close(): Promise<void> {
    this.#ended = true
    try {
      await this.#below.close()
    } catch (error) {
      throw this.#onError(error)
    }
  }

  /** A row that is larger than `maxBytes` goes alone. */
  async #chunk(maxBytes: number): Promise<Uint8Array> {
    const rows: Row[] = []
    let bytes = EMPTY_CHUNK_BYTES
    let row = await this.#peek()
    for (; row !== undefined; row = await this.#peek()) {
      const size = rowBytes(row)
      if (rows.length > 0 && bytes + size > maxBytes) break
      rows.push(row)
      bytes += size
      this.#at++
    }
    this.#ended = row === undefined
    const chunk = encodeChunk({ number: this.#number, before: this.#before, last: this.#ended, rows })
    this.#number++
    this.#before = chunkChecksum(chunk)
    return chunk
  }

  async #peek(): Promise<Row | undefined> {
    if (this.#at === this.#rows.length) {
      this.#rows = await this.#below.next()
      this.#at = 0
    }
    return this.#rows[this.#at]
  }
}
