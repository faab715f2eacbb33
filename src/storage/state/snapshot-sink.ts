/**
 * A snapshot on its way in: rows go under a generation of their own, in synced batches, and count only from the batch
 * that flips the group's head to it. Invariant: chunks are taken whole, in order, and all of one snapshot; so are rows.
 */
import { assert } from '../../base/assert.ts'
import type { Env } from '../../base/env.ts'
import { invalid, SandglassError } from '../../base/errors.ts'
import { settled } from '../../base/settled.ts'
import { chunkChecksum, decodeChunk, rowBytes } from './chunk.ts'
import type { Database } from './database.ts'
import { fillBatch } from './fill.ts'
import { GroupReads } from './group-reads.ts'
import { addLink, type Chain, type Head, NO_BATCHES } from './head.ts'
import { type Place, rowPrefix } from './keys.ts'
import { Layers } from './layers.ts'
import { CopiedRows } from './merge.ts'
import type { CheckpointMeta, Row, RowCheck, SnapshotSink, StateReader } from './types.ts'

/** Chunks are written together up to this: each batch costs a sync. */
const BATCH_BYTES = 4 * 1024 * 1024

export interface InstallTarget {
  readonly database: Database
  readonly env: Env
  readonly place: Place
  readonly check: RowCheck | undefined
  /** Makes this the group's head, in one synced batch. */
  flip(head: Head): Promise<void>
  /** The generation is dead. */
  discard(): void
}

export class StateSnapshotSink implements SnapshotSink {
  readonly #target: InstallTarget
  #chain: Chain = NO_BATCHES
  #rows = new CopiedRows()
  #bytes = 0
  #number = 0
  #before = 0
  #lastKey: string | undefined
  #complete = false
  #state: 'open' | 'broken' | 'committed' | 'aborted' = 'open'
  #busy: Promise<unknown> | undefined = undefined

  constructor(target: InstallTarget) {
    this.#target = target
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#alone(() => this.#take(chunk))
  }

  staged(): Promise<StateReader> {
    return this.#alone(async () => {
      await this.#finish()
      const { database, env, place } = this.#target
      return new GroupReads(database, env, {
        layers: new Layers(),
        place: () => place,
        stored: () => true,
        damage: () => undefined,
        noteDamage: (error) => error,
      })
    })
  }

  commit(meta: CheckpointMeta): Promise<void> {
    return this.#alone(async () => {
      await this.#finish()
      await this.#target.flip({ generation: this.#target.place.generation, chain: this.#chain, meta })
      this.#state = 'committed'
    })
  }

  async abort(): Promise<void> {
    // A call may have begun by the time that the one before is seen to have ended.
    while (this.#busy !== undefined) await this.idle()
    if (this.#state === 'committed' || this.#state === 'aborted') return
    this.#state = 'aborted'
    this.#rows = new CopiedRows()
    this.#target.discard()
  }

  /** Resolves when no call is under way, whatever came of it. */
  async idle(): Promise<void> {
    await settled(this.#busy)
  }

  #alone<T>(job: () => Promise<T>): Promise<T> {
    assert(this.#busy === undefined, 'one call of a snapshot sink at a time')
    if (this.#state !== 'open') {
      return Promise.reject(new SandglassError('INTERNAL', `Cannot install a snapshot: it is ${this.#state}`))
    }
    const done = job().finally(() => {
      this.#busy = undefined
    })
    this.#busy = done
    return done
  }

  #finish(): Promise<void> {
    if (!this.#complete) throw invalid('chunk', 'Cannot install a snapshot: its last chunk is missing')
    return this.#flush()
  }

  async #take(data: Uint8Array): Promise<void> {
    const chunk = decodeChunk(data)
    if (this.#complete || chunk.number !== this.#number || chunk.before !== this.#before) {
      throw invalid('chunk', `Cannot install a snapshot: chunk ${chunk.number} is not the one that follows`)
    }
    this.#number++
    this.#before = chunkChecksum(data)
    this.#complete = chunk.last
    for (const row of chunk.rows) {
      this.#checkRow(row)
      this.#rows.add(row.key, row.value)
      this.#bytes += rowBytes(row)
    }
    if (this.#bytes >= BATCH_BYTES) await this.#flush()
  }

  #checkRow({ key, value }: Row): void {
    const { check } = this.#target
    const follows = this.#lastKey === undefined || key > this.#lastKey
    if (!follows) throw invalid('rows', 'Cannot install a snapshot: its rows are out of order')
    this.#lastKey = key
    if (check !== undefined && !check.takes(key, value)) {
      throw invalid('rows', `Cannot install a snapshot: a row is none of its view, of kind ${key.charCodeAt(0)}`)
    }
  }

  async #flush(): Promise<void> {
    if (this.#rows.rows === 0) return
    const { database, env, place } = this.#target
    const batch = await database.batch()
    try {
      await fillBatch(env, batch, rowPrefix(place), this.#rows)
    } catch (error) {
      batch.drop()
      throw error
    }
    const chain = addLink(batch, place, this.#chain)
    this.#rows = new CopiedRows()
    this.#bytes = 0
    try {
      await batch.write()
      this.#chain = chain
    } catch (error) {
      // Whether the batch took effect is not known; the snapshot begins anew under another generation.
      this.#state = 'broken'
      throw error
    }
  }
}
