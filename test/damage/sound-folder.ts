/**
 * The data folder that is damaged over and over: a log of several groups in sealed segments and an open one, with every
 * kind of record in it, and a state of tables, a log, checkpoints and installed snapshots, one of them over rows of an
 * older generation. A snapshot is no file: its rows lie in the state's tables. The folder also tells what it holds, so
 * that whatever a damaged copy still offers can be compared.
 */
import { cpSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realEnv } from '../../src/base/real-env.ts'
import { nodeDisk } from '../../src/storage/disk.ts'
import { openStateStore } from '../../src/storage/state/store.ts'
import type { StateStore } from '../../src/storage/state/types.ts'
import { openWal } from '../../src/storage/wal/open.ts'
import type { Wal, WalWrite } from '../../src/storage/wal/types.ts'
import { ALL, bytes, copySnapshot, meta, text } from '../storage/state/fixture.ts'
import { entries, hardState, readAll, write } from '../storage/wal/harness.ts'

const MEMORY = '/dev/shm'
/** Eight copies at a time. */
const FOLDERS_BYTES = 64 * 1024 * 1024
const LOG_GROUPS = 5
const ROUNDS = 27
const SEGMENT_BYTES = 24 * 1024
export const STATE_GROUPS = [1, 2, 3, 4, 5, 6, 70] as const
/** Whose state came by snapshot, from which group; 6 had one of its own before. */
const INSTALLED = new Map([
  [5, 3],
  [6, 4],
  [70, 2],
])
const MOVED = 6
/** Group 70's log begins behind its snapshot. */
const SNAPSHOT_AT = { index: 500, term: 3 }
const CHECKPOINTS = 8
const ROWS = 40

export interface SoundFolder {
  readonly dir: string
  /** By group. */
  readonly log: ReadonlyMap<number, string>
  /** What it ever was, by group. */
  readonly before: ReadonlyMap<number, ReadonlySet<string>>
  /** By group, then by applied index: every checkpoint there was. */
  readonly state: ReadonlyMap<number, ReadonlyMap<number, string>>
  remove(): void
}

export async function makeSoundFolder(): Promise<SoundFolder> {
  const root = mkdtempSync(join(roomFor(FOLDERS_BYTES), 'sandglass-damage-'))
  const dir = join(root, 'sound')
  const state = await fillState(join(root, 'work', 'shard-0', 'state'))
  const log = await fillLog(join(root, 'work', 'shard-0', 'wal'), () => {
    cpSync(join(root, 'work'), dir, { recursive: true })
    // As if it had been prepared in time, which depends on the disk.
    const newest =
      readdirSync(join(dir, 'shard-0', 'wal'))
        .filter((name) => /^\d+\.wal$/.test(name))
        .sort()
        .at(-1) ?? ''
    const path = join(dir, 'shard-0', 'wal', newest)
    truncateSync(path, Math.max(statSync(path).size, SEGMENT_BYTES))
  })
  return { dir, ...log, state, remove: () => rmSync(root, { recursive: true, force: true }) }
}

/** In memory where the system offers that: thousands of copies are synced, and what a disk makes of that is not asked here. */
function roomFor(bytes: number): string {
  try {
    const { bavail, bsize } = statfsSync(MEMORY)
    return bavail * bsize >= bytes ? MEMORY : tmpdir()
  } catch {
    return tmpdir()
  }
}

/** Opens a log as a node does. */
export function openLogIn(dir: string) {
  return openWal({
    ...{ dir, disk: nodeDisk, env: realEnv(), segmentBytes: SEGMENT_BYTES, retainBytes: 1 << 20, reserveBytes: 0 },
    ...{ onState: () => undefined, onFatal: () => undefined },
  })
}

export function openStateIn(dir: string): Promise<StateStore> {
  return openStateStore({ dir, env: realEnv(), writeBufferBytes: 64 * 1024 })
}

/** What a log says about each of its live replicas, or about one. */
export function holdingsOf(wal: Wal, only?: number): ReadonlyMap<number, string> {
  const holdings = new Map<number, string>()
  for (const log of wal.groups()) {
    if (only !== undefined && log.group !== only) continue
    const all = log.lastIndex() < log.firstIndex() ? [] : readAll(log)
    const data = all.map(({ index, term, type, data }) => `${index}.${term}.${type}.${Buffer.from(data).toString()}`)
    holdings.set(log.group, JSON.stringify([log.replica, log.hard, data]))
  }
  return holdings
}

/** What a store says about a group: its applied index and rows; throws where a read meets damage. */
export async function rowsOf(store: StateStore, group: number): Promise<{ applied: number; rows: string } | undefined> {
  const state = await store.group(group)
  if (state.damage !== undefined) throw new Error(state.damage)
  if (state.meta === undefined) return undefined
  const rows = await state.scan(ALL, 100_000)
  return { applied: state.meta.applied, rows: JSON.stringify(rows.map(({ key, value }) => [key, text(value)])) }
}

/** `copy` runs while the log is open, its last batch unproven. */
async function fillLog(dir: string, copy: () => void): Promise<Pick<SoundFolder, 'log' | 'before'>> {
  const { wal } = await openLogIn(dir)
  const before = new Map<number, Set<string>>()
  const add = async (one: WalWrite) => {
    await write(wal, one)
    for (const [group, held] of holdingsOf(wal, one.group)) {
      before.set(group, (before.get(group) ?? new Set()).add(held))
    }
  }
  await add({ group: 90, replica: 1090, entries: entries(1, 3), hard: hardState(1) })
  await add({ group: 90, replica: 1090, removed: true })
  await add({ group: 80, replica: 1080, hard: hardState(7, 2, 0) })
  await add({ group: 70, replica: 1070, snapshot: SNAPSHOT_AT, hard: hardState(3, 0, SNAPSHOT_AT.index) })
  for (let round = 0; round < ROUNDS; round++) {
    for (let group = 1; group <= LOG_GROUPS; group++) {
      if ((round + group) % 3 === 0) continue
      const first = (wal.group(group)?.lastIndex() ?? 0) + 1
      const hard = hardState(1 + (round >> 3), 1, first - 1)
      const added = entries(first, 1 + (round % 3), hard.term, 150 + 90 * group)
      await add({ group, replica: 1000 + group, entries: added, hard })
    }
    if (round === 10) wal.release(1, { index: 4, term: wal.group(1)?.term(4) ?? 0 }, 5)
  }
  await add({ group: 1, replica: 1001, hard: hardState(9, 1, 9) })
  const log = holdingsOf(wal)
  copy()
  await wal.close()
  return { log, before }
}

async function fillState(dir: string): Promise<SoundFolder['state']> {
  const store = await openStateIn(dir)
  const all = new Map<number, Map<number, string>>(STATE_GROUPS.map((group) => [group, new Map()]))
  const note = async (group: number) => {
    const held = await rowsOf(store, group)
    if (held) all.get(group)?.set(held.applied, held.rows)
  }
  for (let n = 1; n <= CHECKPOINTS; n++) {
    for (const group of STATE_GROUPS) {
      if (INSTALLED.has(group) && group !== MOVED) continue
      const state = await store.group(group)
      for (let i = 0; i < ROWS; i++) {
        const key = `k${String((i * 7 + n * 3) % 90).padStart(3, '0')}`
        if (i % 9 === 8) state.delete(key)
        else state.put(key, bytes(`${group}.${n}.${i} `.padEnd(120 + ((i * 37) % 200), String(i % 10))))
      }
      await state.checkpoint(meta(n * 10 + group))
      await note(group)
    }
  }
  for (const [group, source] of INSTALLED) {
    const sink = await (await store.group(group)).beginInstall()
    const snapshot = await copySnapshot(await store.group(source), sink)
    await sink.commit({ ...snapshot, applied: SNAPSHOT_AT.index, term: SNAPSHOT_AT.term })
    await note(group)
  }
  await store.close()
  return all
}
