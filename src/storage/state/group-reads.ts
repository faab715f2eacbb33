/**
 * Reads of one group's key space outside apply: layers over the rows of the current generation. Each waits while the
 * database is being reopened, captures everything in one synchronous step, and tells the group of damage that it meets.
 */
import type { Env } from '../../base/env.ts'
import { SandglassError } from '../../base/errors.ts'
import { type Database, readable } from './database.ts'
import { type Place, PREFIX_BYTES, rowPrefix, rowRange } from './keys.ts'
import type { Layers } from './layers.ts'
import { type PointReads, readPoints, unreadablePoints } from './points/point-reads.ts'
import { countRows, readRows } from './scan.ts'
import type { Key, KeyRange, Row, RowRead, StateReader } from './types.ts'

/** The group as its reads see it: always as of now. */
export interface ReadGroup {
  readonly layers: Layers
  place(): Place
  /** Whether anything of it is in the database. */
  stored(): boolean
  damage(): string | undefined
  /** `place`: what was read. */
  noteDamage<E>(error: E, place: Place): E
}

export class GroupReads implements StateReader {
  readonly #database: Database
  readonly #env: Env
  readonly #group: ReadGroup

  constructor(database: Database, env: Env, group: ReadGroup) {
    this.#database = database
    this.#env = env
    this.#group = group
  }

  async scan(
    range: KeyRange,
    limit: number,
    options: { reverse?: boolean; maxBytes?: number } = {},
  ): Promise<readonly Row[]> {
    if (this.#database.ready() !== undefined) await readable(this.#database)
    if (limit <= 0 || range.gte >= range.lt) return []
    const reverse = options.reverse ?? false
    const bounds = { limit, maxBytes: options.maxBytes ?? Number.POSITIVE_INFINITY, reverse }
    return this.#reading((place) => {
      const stored = rowRange(place, range)
      const above = this.#group.layers.capture(range, bounds)
      const below = this.#group.stored() ? this.#database.iterate(stored, reverse, PREFIX_BYTES) : undefined
      return readRows(this.#env, above, below, bounds)
    })
  }

  async count(range: KeyRange, limit: number): Promise<number> {
    if (this.#database.ready() !== undefined) await readable(this.#database)
    if (limit <= 0 || range.gte >= range.lt) return 0
    const bounds = { limit, maxBytes: Number.POSITIVE_INFINITY, reverse: false }
    return this.#reading((place) => {
      const stored = rowRange(place, range)
      const above = this.#group.layers.capture(range, bounds)
      const below = this.#group.stored() ? this.#database.iterateKeys(stored, PREFIX_BYTES) : undefined
      return countRows(this.#env, above, below, limit)
    })
  }

  async getMany(
    keys: readonly Key[],
    options: { maxBytes?: number; expected?: boolean } = {},
  ): Promise<readonly RowRead[]> {
    if (this.#database.ready() !== undefined) await readable(this.#database)
    const group = this.#group
    const place = group.place()
    const known = keys.map((key) => group.layers.get(key))
    const below = this.#points(keys.filter((_, i) => known[i] === undefined))
    const rows = await readPoints(known, below, options.maxBytes ?? Number.POSITIVE_INFINITY)
    return rows.map((row, i) => {
      if (row instanceof SandglassError) return group.noteDamage(row, place)
      if (row !== undefined || !options.expected) return row
      return group.noteDamage(missing(keys[i] ?? ''), place)
    })
  }

  /** What lies on disk, unless that is nothing, or damaged. */
  #points(keys: readonly Key[]): PointReads | undefined {
    const damage = this.#group.damage()
    if (keys.length === 0) return undefined
    if (damage !== undefined) return unreadablePoints(damaged('read', damage))
    const prefix = rowPrefix(this.#group.place())
    return this.#group.stored() ? this.#database.points(keys.map((key) => prefix + key)) : undefined
  }

  /** Refuses what is known to be damaged, and tells what turns out to be. `read` captures in this very step. */
  async #reading<T>(read: (place: Place) => Promise<T>): Promise<T> {
    const damage = this.#group.damage()
    if (damage !== undefined) throw damaged('read', damage)
    const place = this.#group.place()
    try {
      return await read(place)
    } catch (error) {
      throw this.#group.noteDamage(error, place)
    }
  }
}

export function damaged(action: string, damage: string): SandglassError {
  return new SandglassError('INTERNAL', `Cannot ${action}: the state is damaged (${damage})`)
}

function missing(key: Key): SandglassError {
  return new SandglassError(
    'INTERNAL',
    `Cannot read state: row ${Buffer.from(key, 'latin1').toString('hex')} is missing`,
  )
}
