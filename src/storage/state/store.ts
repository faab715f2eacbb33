/** The state of all groups of one shard, over one database: on disk, or in memory for tests and simulation. */
import type { Env } from '../../base/env.ts'
import { SandglassError } from '../../base/errors.ts'
import type { GroupId } from '../../base/ids.ts'
import { Clearing, type Found, findDead } from './clearing.ts'
import type { Database } from './database.ts'
import { type Shard, StoredGroupState } from './group-state.ts'
import { decodeHead, findChainDamage, type Head } from './head.ts'
import { headKey } from './keys.ts'
import { openLevelDatabase } from './level-database.ts'
import { MemoryDatabase, MemoryDisk } from './memory-database.ts'
import type { GroupState, StateOptions, StateReport, StateStats, StateStore } from './types.ts'
import { examine } from './verify.ts'

/** Opens the state of one shard. Rejects with an error for which {@link isLocked} holds when another process has it. */
export async function openStateStore(options: StateOptions): Promise<StateStore> {
  const { env, ...level } = options
  const pause = (ms: number) => new Promise<void>((resolve) => env.after(ms, resolve))
  const database = await openLevelDatabase({ ...level, pause })
  const found = await findDead(database)
  return new ShardStateStore(database, env, Promise.resolve(found))
}

/** The same in memory. A second store over the same `disk` takes it over; the first can then no longer write. */
export function memoryStateStore(env: Env, disk: MemoryDisk = new MemoryDisk()): StateStore {
  return stateStoreOver(new MemoryDatabase(disk, env), env)
}

/** For a database other than the two above (tests inject failures). The store closes it. */
export function stateStoreOver(database: Database, env: Env): StateStore {
  return new ShardStateStore(database, env, findDead(database))
}

/** Checks everything in `dir`, which no process may have open. Where files are damaged it changes nothing. */
export function verifyState(dir: string): Promise<StateReport> {
  return examine(dir)
}

// The rest of the door: whoever opens a store also asks this.
export { isLocked } from './locked.ts'

class ShardStateStore implements StateStore {
  readonly #database: Database
  readonly #clearing: Clearing
  readonly #shard: Shard
  /** Highest generation ever used here; one number per group that was ever opened. */
  #highest = new Map<GroupId, number>()
  /** What earlier processes left behind must be known before a generation is chosen. */
  readonly #ready: Promise<void>
  readonly #opening = new Map<GroupId, Promise<StoredGroupState>>()
  readonly #open = new Map<GroupId, StoredGroupState>()
  readonly #removing = new Map<GroupId, Promise<void>>()
  #checkpoints = 0

  constructor(database: Database, env: Env, found: Promise<Found>) {
    this.#database = database
    this.#clearing = new Clearing(database, env)
    this.#shard = {
      database,
      env,
      clearing: this.#clearing,
      newGeneration: (group) => this.#newGeneration(group),
      checkpointed: () => {
        this.#checkpoints++
      },
    }
    this.#ready = found.then(({ highest, dead }) => {
      this.#highest = highest
      for (const generations of dead) this.#clearing.add(generations)
    })
    // Whoever opens a group hears of it.
    this.#ready.catch(() => undefined)
  }

  async group(group: GroupId): Promise<GroupState> {
    await this.#ready
    await this.#removing.get(group)
    let opening = this.#opening.get(group)
    if (opening === undefined) {
      opening = this.#openGroup(group)
      this.#opening.set(group, opening)
      opening.catch(() => this.#opening.delete(group))
    }
    return opening
  }

  async remove(group: GroupId): Promise<void> {
    await this.#ready
    await this.#removing.get(group)
    const removing = this.#remove(group)
    this.#removing.set(
      group,
      removing.catch(() => undefined),
    )
    try {
      await removing
    } finally {
      this.#removing.delete(group)
    }
  }

  ready(): Promise<void> | undefined {
    return this.#database.ready()
  }

  stats(): StateStats {
    let layerBytes = 0
    for (const group of this.#open.values()) layerBytes += group.bytes()
    return {
      layerBytes,
      checkpoints: this.#checkpoints,
      deadGenerations: this.#clearing.size,
      reopened: this.#database.reopened(),
    }
  }

  async close(): Promise<void> {
    await this.#clearing.stop()
    await Promise.all([...this.#open.values()].map((group) => group.idle()))
    await this.#database.close()
  }

  async #openGroup(group: GroupId): Promise<StoredGroupState> {
    let head: Head | undefined
    let damage: string | undefined
    try {
      const value = this.#database.get(headKey(group))
      head = value === undefined ? undefined : decodeHead(value)
      if (head !== undefined) {
        damage = await findChainDamage(this.#database, { group, generation: head.generation }, head.chain)
      }
    } catch (error) {
      if (error instanceof SandglassError && error.reason === 'SHUTTING_DOWN') throw error
      damage = error instanceof Error ? error.message : String(error)
    }
    const state = new StoredGroupState(group, this.#shard, head, damage)
    this.#open.set(group, state)
    return state
  }

  async #remove(group: GroupId): Promise<void> {
    const opening = this.#opening.get(group)
    this.#opening.delete(group)
    await (await opening)?.retire()
    this.#open.delete(group)
    const batch = await this.#database.batch()
    batch.delete(headKey(group))
    await batch.write()
    this.#clearing.add({ group, from: 1, to: this.#highest.get(group) ?? 0 })
  }

  #newGeneration(group: GroupId): number {
    const next = (this.#highest.get(group) ?? 0) + 1
    this.#highest.set(group, next)
    return next
  }
}
