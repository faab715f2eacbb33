/**
 * One group's key space: layers over the rows of its current generation in the shard's database.
 * Invariants: what is in the database is exactly what the head's `meta` stands for; a checkpoint writes under the
 * generation it began with or not at all; layers are dropped only when the database has their rows.
 */
import { assert } from '../../base/assert.ts'
import type { Env } from '../../base/env.ts'
import { SandglassError } from '../../base/errors.ts'
import type { GroupId } from '../../base/ids.ts'
import { settled } from '../../base/settled.ts'
import { writeCheckpoint } from './checkpoint.ts'
import type { Clearing } from './clearing.ts'
import { type Database, readable } from './database.ts'
import { fillLayer } from './fill.ts'
import { damaged, GroupReads } from './group-reads.ts'
import { decodeHead, encodeHead, type Head } from './head.ts'
import { headKey, type Place, PREFIX_BYTES, rowPrefix, rowRange } from './keys.ts'
import { Layers } from './layers.ts'
import { StateSnapshotSink } from './snapshot-sink.ts'
import { StateSnapshotSource } from './snapshot-source.ts'
import type {
  CheckpointMeta,
  GroupState,
  Key,
  KeyRange,
  MoreRows,
  Row,
  RowCheck,
  RowRead,
  SnapshotSink,
  SnapshotSource,
} from './types.ts'

/** What a group has from its store. */
export interface Shard {
  readonly database: Database
  readonly env: Env
  readonly clearing: Clearing
  /** A generation of the group that was never used. */
  newGeneration(group: GroupId): number
  checkpointed(): void
}

export class StoredGroupState implements GroupState {
  readonly group: GroupId
  readonly #shard: Shard
  readonly #layers = new Layers()
  readonly #reads: GroupReads
  #head: Head | undefined
  #damage: string | undefined
  #place: Place
  #prefix: string
  #checkpoint: Promise<void> | undefined = undefined
  #sink: StateSnapshotSink | undefined = undefined
  #flipping = false
  #removed = false

  constructor(group: GroupId, shard: Shard, head: Head | undefined, damage: string | undefined) {
    this.group = group
    this.#shard = shard
    this.#head = head
    this.#damage = damage
    this.#place = { group, generation: head?.generation ?? shard.newGeneration(group) }
    this.#prefix = rowPrefix(this.#place)
    this.#reads = new GroupReads(shard.database, shard.env, {
      layers: this.#layers,
      place: () => this.#place,
      stored: () => this.#head !== undefined,
      damage: () => this.#damage,
      noteDamage: (error, place) => this.#noteDamage(error, place),
    })
  }

  get meta(): CheckpointMeta | undefined {
    return this.#head?.meta
  }

  get damage(): string | undefined {
    return this.#damage
  }

  bytes(): number {
    return this.#layers.bytes
  }

  get(key: Key): Uint8Array | undefined {
    const value = this.#layers.get(key)
    if (value !== undefined) return value ?? undefined
    if (this.#damage !== undefined) throw damaged('read', this.#damage)
    if (this.#head === undefined) return undefined
    try {
      return this.#shard.database.get(this.#prefix + key)
    } catch (error) {
      throw this.#noteDamage(error, this.#place)
    }
  }

  put(key: Key, value: Uint8Array, fresh = false): void {
    this.#layers.put(key, value, fresh)
  }

  delete(key: Key): void {
    this.#layers.delete(key)
  }

  scan(range: KeyRange, limit: number, options?: { reverse?: boolean; maxBytes?: number }): Promise<readonly Row[]> {
    return this.#reads.scan(range, limit, options)
  }

  count(range: KeyRange, limit: number): Promise<number> {
    return this.#reads.count(range, limit)
  }

  getMany(keys: readonly Key[], options?: { maxBytes?: number; expected?: boolean }): Promise<readonly RowRead[]> {
    return this.#reads.getMany(keys, options)
  }

  checkpoint(meta: CheckpointMeta, freeze?: () => MoreRows): Promise<void> {
    assert(this.#checkpoint === undefined, 'one checkpoint of a group at a time')
    assert(meta.applied >= (this.#head?.meta.applied ?? 0), 'a checkpoint never goes back')
    // A checkpoint lets the log forget, which may be all that heals the damage.
    if (this.#damage !== undefined) return Promise.reject(damaged('write a checkpoint', this.#damage))
    if (this.#removed || this.#flipping) return Promise.reject(this.#gone('write a checkpoint'))
    this.#checkpoint = this.#writeDown(meta, freeze?.()).finally(() => {
      this.#checkpoint = undefined
    })
    return this.#checkpoint
  }

  async openSnapshot(): Promise<SnapshotSource> {
    await readable(this.#shard.database)
    if (this.#damage !== undefined) throw damaged('open a snapshot', this.#damage)
    const place = this.#place
    const note = (error: unknown) => this.#noteDamage(error, place)
    const { value, rows } = this.#captured(place, note)
    try {
      // The database may already hold a checkpoint whose completion this turn has not heard of.
      const head = value === undefined ? undefined : decodeHead(value)
      if (head?.generation === place.generation) return new StateSnapshotSource(head.meta, rows, note)
      throw new SandglassError('INTERNAL', 'Cannot open a snapshot: there is no checkpoint')
    } catch (error) {
      await rows.close()
      throw error
    }
  }

  async beginInstall(check?: RowCheck): Promise<SnapshotSink> {
    await this.#sink?.abort()
    if (this.#removed) throw this.#gone('install a snapshot')
    const { database, env, clearing } = this.#shard
    const place = { group: this.group, generation: this.#shard.newGeneration(this.group) }
    this.#sink = new StateSnapshotSink({
      database,
      env,
      place,
      check,
      flip: (head) => this.#flip(head),
      discard: () => clearing.add({ group: this.group, from: place.generation, to: place.generation }),
    })
    return this.#sink
  }

  /** Resolves when no write of this group is under way. */
  async idle(): Promise<void> {
    await Promise.allSettled([this.#checkpoint, this.#sink?.idle()])
  }

  /** Ends all writing for good; what is in the database is the store's to delete. */
  async retire(): Promise<void> {
    this.#removed = true
    await this.#sink?.abort()
    await settled(this.#checkpoint)
    this.#layers.clear()
    this.#head = undefined
  }

  async #writeDown(meta: CheckpointMeta, more: MoreRows | undefined): Promise<void> {
    const below = this.#layers.freeze()
    const frozen = more === undefined ? below : this.#layers.addFrozen(await fillLayer(this.#shard.env, more), below)
    this.#head = await writeCheckpoint(this.#shard, this.#place, frozen, {
      meta,
      head: this.#head,
      cancelled: () => this.#removed,
    })
    this.#layers.drop(frozen)
    this.#shard.checkpointed()
  }

  async #flip(head: Head): Promise<void> {
    assert(!this.#flipping, 'one flip at a time')
    this.#flipping = true
    try {
      await settled(this.#checkpoint)
      if (this.#removed) throw this.#gone('install a snapshot')
      await this.#writeHead(head)
    } finally {
      this.#flipping = false
    }
    this.#head = head
    this.#damage = undefined
    this.#place = { group: this.group, generation: head.generation }
    this.#prefix = rowPrefix(this.#place)
    this.#layers.clear()
    this.#shard.clearing.add({ group: this.group, from: 1, to: head.generation - 1 })
  }

  async #writeHead(head: Head): Promise<void> {
    const { database } = this.#shard
    const batch = await database.batch()
    batch.put(headKey(this.group), encodeHead(head))
    try {
      await batch.write()
    } catch (error) {
      // The batch may have reached the disk all the same: after the reopening the database says which head counts.
      const now = database.get(headKey(this.group))
      if (now === undefined || decodeHead(now).generation !== head.generation) throw error
    }
  }

  /** Head and rows as they are now. */
  #captured(place: Place, note: (error: unknown) => unknown): ReturnType<Database['capture']> {
    try {
      return this.#shard.database.capture(headKey(this.group), rowRange(place), PREFIX_BYTES)
    } catch (error) {
      throw note(error)
    }
  }

  /** `place`: what was read. Of one that a snapshot has replaced meanwhile it says nothing about what counts now. */
  #noteDamage<E>(error: E, place: Place): E {
    const damaged = error instanceof SandglassError && error.reason === 'INTERNAL'
    if (damaged && place === this.#place) this.#damage ??= error.message
    return error
  }

  #gone(action: string): SandglassError {
    const why = this.#removed ? 'the group was removed' : 'a snapshot takes its place'
    return new SandglassError('INTERNAL', `Cannot ${action}: ${why}`)
  }
}
