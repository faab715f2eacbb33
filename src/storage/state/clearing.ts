/**
 * Deletes dead generations in slices, one after the other. Nothing is recorded: after a restart whatever generation no
 * head names is found again (`findDead`). A number is never used twice by one process, so the deletes need no sync.
 */
import type { Env } from '../../base/env.ts'
import type { GroupId } from '../../base/ids.ts'
import type { Database } from './database.ts'
import { decodeHead } from './head.ts'
import { END_KEY, generationRange, headKey, type Place, placeAfter, placeOf } from './keys.ts'

const ROWS_PER_SLICE = 4096
const PAUSE_MS = 10
const RETRY_MS = 1000

export interface DeadGenerations {
  readonly group: GroupId
  readonly from: number
  /** Included. */
  readonly to: number
}

export class Clearing {
  readonly #database: Database
  readonly #env: Env
  readonly #dead: DeadGenerations[] = []
  #running: Promise<void> | undefined = undefined
  #stopped = false

  constructor(database: Database, env: Env) {
    this.#database = database
    this.#env = env
  }

  get size(): number {
    return this.#dead.length
  }

  add(dead: DeadGenerations): void {
    if (dead.to < dead.from || this.#stopped) return
    this.#dead.push(dead)
    this.#running ??= this.#run()
  }

  /** Ends after the slice that is running; the rest is found after a restart. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    for (let dead = this.#dead[0]; dead !== undefined && !this.#stopped; dead = this.#dead[0]) {
      const range = generationRange(dead.group, dead.from, dead.to)
      // A failed write was reported by the database, and there is no hurry.
      const left = await this.#database.clear(range, ROWS_PER_SLICE).catch(() => undefined)
      if (left === false) this.#dead.shift()
      else if (!this.#stopped) await this.#pause(left === undefined ? RETRY_MS : PAUSE_MS)
    }
    this.#running = undefined
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#env.after(ms, resolve)
    })
  }
}

export interface Found {
  /** Highest generation with anything in it, per group. */
  readonly highest: Map<GroupId, number>
  readonly dead: readonly DeadGenerations[]
  /** What the heads stand for. */
  readonly places: readonly Place[]
}

/** Goes from generation to generation, reading a key of each, and says which no head stands for. */
export async function findDead(database: Database): Promise<Found> {
  const highest = new Map<GroupId, number>()
  const dead: DeadGenerations[] = []
  const live = new Map<GroupId, number | undefined>()
  let from = ''
  for (;;) {
    const key = await database.firstKey({ gte: from, lt: END_KEY })
    if (key === undefined) return { highest, dead, places: placesOf(live) }
    const at = placeOf(key)
    if (!live.has(at.group)) live.set(at.group, liveGeneration(database, at.group))
    const current = live.get(at.group)
    highest.set(at.group, Math.max(highest.get(at.group) ?? 0, at.generation, current ?? 0))
    if (at.generation > 0 && current !== undefined && current !== at.generation) {
      dead.push({ group: at.group, from: at.generation, to: at.generation })
    }
    from = placeAfter(at)
  }
}

function placesOf(live: ReadonlyMap<GroupId, number | undefined>): Place[] {
  const places: Place[] = []
  for (const [group, generation] of live) if (generation) places.push({ group, generation })
  return places
}

/** 0 for a group without a head; undefined when its head cannot be read, so that nothing is known to be dead. */
function liveGeneration(database: Database, group: GroupId): number | undefined {
  try {
    const head = database.get(headKey(group))
    return head === undefined ? 0 : decodeHead(head).generation
  } catch {
    // Damage of the head is reported when the group is opened.
    return undefined
  }
}
