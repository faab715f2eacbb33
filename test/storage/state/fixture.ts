/** A store on each of the two databases, with a clock that never makes anyone wait. */
import { cp, mkdtemp, readdir, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Env } from '../../../src/base/env.ts'
import { MemoryDisk } from '../../../src/storage/state/memory-database.ts'
import { memoryStateStore, openStateStore } from '../../../src/storage/state/store.ts'
import type { CheckpointMeta, GroupState, Row, SnapshotSink, StateStore } from '../../../src/storage/state/types.ts'

/** Timers fire at the end of the turn and move the clock by what they asked for; each look at it costs `lookMs`. */
export function testEnv(lookMs = 0): Env {
  let nowMs = 0
  return {
    wallMs: () => nowMs,
    monoMs: () => {
      nowMs += lookMs
      return nowMs
    },
    random: () => 0.5,
    randomBytes: (count) => new Uint8Array(count),
    after: (ms, run) => {
      const handle = setImmediate(() => {
        nowMs += ms
        run()
      })
      return { cancel: () => clearImmediate(handle) }
    },
    endOfTurn: (run) => {
      setImmediate(run)
    },
  }
}

/** kill: the process dies alone. cut: the power goes too, and takes what was not synced. */
export type Crash = 'kill' | 'cut'

export interface Home {
  open(): Promise<StateStore>
  /** What a crash at this moment would leave, apart from this. */
  crashed(how: Crash): Promise<Home>
  /** Everything written so far was synced. */
  synced(): Promise<void>
  remove(): Promise<void>
}

export const HOMES: Record<string, () => Promise<Home>> = {
  memory: async () => memoryHome(new MemoryDisk()),
  leveldb: async () => levelHome(await mkdtemp(join(tmpdir(), 'sandglass-state-'))),
}

function memoryHome(disk: MemoryDisk): Home {
  return {
    open: async () => memoryStateStore(testEnv(), disk),
    crashed: async (how) => {
      const left = disk.copy()
      if (how === 'cut') left.cutPower()
      return memoryHome(left)
    },
    // It knows by itself.
    synced: async () => undefined,
    remove: async () => undefined,
  }
}

function levelHome(dir: string): Home {
  /** Of LevelDB's logs, by name: the rest of its files is synced before it counts. */
  const durable = new Map<string, number>()
  return {
    open: () => openStateStore({ dir, env: testEnv(1) }),
    crashed: async (how) => {
      const left = await mkdtemp(join(tmpdir(), 'sandglass-state-'))
      await cp(dir, left, { recursive: true })
      for (const name of how === 'cut' ? await logs(left) : []) {
        const path = join(left, name)
        await truncate(path, Math.min(durable.get(name) ?? 0, (await stat(path)).size))
      }
      return levelHome(left)
    },
    synced: async () => {
      for (const name of await logs(dir)) durable.set(name, (await stat(join(dir, name))).size)
    },
    remove: () => rm(dir, { recursive: true, force: true }),
  }
}

async function logs(dir: string): Promise<string[]> {
  return (await readdir(dir)).filter((name) => name.endsWith('.log'))
}

export const ALL = { gte: '', lt: '\xff\xff\xff' }

export function meta(applied: number): CheckpointMeta {
  return {
    applied,
    term: 2,
    lastAt: applied * 10,
    confState: { voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
  }
}

export function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text))
}

export function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value).toString()
}

export function pairs(rows: readonly Row[]): string[] {
  return rows.map((row) => `${row.key}=${text(row.value)}`)
}

/** Sends a snapshot of one group into another. */
export async function copySnapshot(from: GroupState, to: SnapshotSink, maxBytes = 100): Promise<CheckpointMeta> {
  const source = await from.openSnapshot()
  for (let chunk = await source.next(maxBytes); chunk !== undefined; chunk = await source.next(maxBytes)) {
    await to.write(chunk)
  }
  await source.close()
  return source.meta
}

/** Waits for what the store does on its own; the bound is turns of the event loop, not time. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100_000; turn++) {
    if (condition()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new Error('it never came')
}
