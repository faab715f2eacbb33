/** The state of all groups of one shard, over one database: on disk, or in memory for tests and simulation. */
import type { Env } from '../../base/env.ts'
import { SandglassError } from '../../base/errors.ts'
import type { GroupId } from '../../base/ids.ts'
import { settled } from '../../base/settled.ts'
import { Slice } from '../../base/slice.ts'
import { refuseOthersIn } from '../regular-file.ts'
import { Clearing, type Found, findDead } from './clearing.ts'
import { KnownDamage, LOST, setAside, settleDamage } from './damage-marks.ts'
import { type Database, readable } from './database.ts'
import { examineFiles, type FileDamage, type FileFindings, unusedFiles } from './files/examine-files.ts'
import { seemsLocked } from './files/lock-file.ts'
import { type Shard, StoredGroupState } from './group-state.ts'
import { decodeHead, findChainDamage, type Head } from './head.ts'
import { headKey, mayHold } from './keys.ts'
import { openLevelDatabase, repairLevelDatabase } from './level-database.ts'
import { isLocked } from './locked.ts'
import { MemoryDatabase, MemoryDisk } from './memory-database.ts'
import { readPoints } from './points/point-reads.ts'
import type { GroupState, StateInspection, StateOptions, StateStats, StateStore } from './types.ts'
import { examine } from './verify.ts'

/**
 * Opens the state of one shard. Checks the files first; groups that lost rows to a damaged one are opened as damaged
 * until a snapshot heals them. Rejects with an error for which {@link isLocked} holds when another process has
 * the folder.
 */
export async function openStateStore(options: StateOptions): Promise<StateStore> {
  const { dir, env, onError } = options
  const pause = (ms: number) => new Promise<void>((resolve) => env.after(ms, resolve))
  // LevelDB would wait for a pipe for ever.
  await refuseOthersIn(dir, [LOST])
  // LevelDB reads without looking at its checksums: a block of zeros reads as one without rows, and others abort it.
  const files = await examineFiles(dir, new Slice(env, 1))
  if (files.damage.some((damage) => damage.kind !== 'log')) await repair(dir, files)
  const database = await openLevelDatabase({ ...options, pause })
  for (const damage of files.damage) onError?.(new SandglassError('INTERNAL', `State is damaged: ${damage.text}`))
  const found = await findDead(database)
  const known = await settleDamage(dir, found.places)
  return new ShardStateStore(database, env, Promise.resolve(found), known)
}

/** What is damaged goes, LevelDB builds a new manifest over the rest, and the groups concerned wait for a snapshot. */
function repair(dir: string, files: FileFindings): Promise<void> {
  // In a log, damage takes whole batches, which their groups notice; but the repair takes what a log holds unchecked.
  const lost = files.damage.filter((damage) => damage.kind !== 'log')
  const logs: FileDamage = { kind: 'log', file: '', offset: 0, text: 'a log was not whole', keys: undefined }
  return repairLevelDatabase(dir, () => setAside(dir, files.logsWhole ? lost : [...lost, logs]))
}

/** The same in memory. A second store over the same `disk` takes it over; the first can then no longer write. */
export function memoryStateStore(env: Env, disk: MemoryDisk = new MemoryDisk()): StateStore {
  const database = new MemoryDatabase(disk, env)
  return new ShardStateStore(database, env, findDead(database), new KnownDamage([], []))
}

/** Reads and checks everything in `dir`, which no process may have open, and changes nothing. Rejects as `openStateStore` does. */
export function inspectState(dir: string): Promise<StateInspection> {
  return examine(dir)
}

/** Files of `dir` that hold nothing of it, by name. `dir` is undamaged. */
export function unusedStateFiles(dir: string): Promise<readonly string[]> {
  return unusedFiles(dir)
}

/** Whether a process seems to have `dir` open; reads only. Opening it tells for sure. */
export function seemsInUse(dir: string): Promise<boolean> {
  return seemsLocked(dir).catch(() => false)
}

// The rest of the door: whoever opens a store, or looks at one, also asks this.
export { isLocked, mayHold }

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
  readonly #known: KnownDamage
  #checkpoints = 0

  constructor(database: Database, env: Env, found: Promise<Found>, known: KnownDamage) {
    this.#database = database
    this.#known = known
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
    void settled(this.#ready)
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
    this.#removing.set(group, settled(removing))
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
      await readable(this.#database)
      const [value] = await readPoints([undefined], this.#database.points([headKey(group)]), 0)
      if (value instanceof SandglassError) throw value
      head = value === undefined ? undefined : decodeHead(value)
      if (head !== undefined) {
        damage = await findChainDamage(this.#database, { group, generation: head.generation }, head.chain)
      }
    } catch (error) {
      if (error instanceof SandglassError && error.reason === 'SHUTTING_DOWN') throw error
      damage = error instanceof Error ? error.message : String(error)
    }
    damage = this.#known.of(group, head?.generation) ?? damage
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
    this.#known.removed(group)
    this.#clearing.add({ group, from: 1, to: this.#highest.get(group) ?? 0 })
  }

  #newGeneration(group: GroupId): number {
    const next = (this.#highest.get(group) ?? 0) + 1
    this.#highest.set(group, next)
    return next
  }
}
