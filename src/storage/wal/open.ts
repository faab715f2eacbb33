/**
 * The door of the write-ahead log. Opening is recovery: read everything, judge damage, then make durable what may live
 * in the page cache only, before anything is offered to anyone.
 */
import { dirname } from 'node:path'
import type { Env } from '../../base/env.ts'
import { SEGMENT_BYTES, WAL_RETAIN_BYTES } from '../../base/limits.ts'
import { Slice } from '../../base/slice.ts'
import type { Disk } from '../disk.ts'
import { Losses } from './losses.ts'
import { damageOf, saveQuarantine } from './quarantine.ts'
import { asidePath, type Replay, replay } from './replay.ts'
import { readRange } from './scan.ts'
import { UNBORN_SUFFIX } from './segment.ts'
import { SegmentFiles } from './segment-files.ts'
import { ShardWal } from './shard-wal.ts'
import { RESERVE_NAME, Space } from './space.ts'
import type { Wal, WalBatchStats, WalDamage, WalState } from './types.ts'
import { fullSync, isNoSpace, writeAll } from './write-all.ts'

/** Room for one checkpoint and what comes with it. */
const RESERVE_BYTES = 64 * 1024 * 1024
/** What followers that keep up ask for, and what waits to be applied; older entries are read from their segments. */
const CACHE_BYTES = 8 * 1024 * 1024

export interface WalOptions {
  /** Created when missing; nothing else may write there. */
  readonly dir: string
  readonly disk: Disk
  readonly env: Env
  /** A segment is sealed when it has grown past this. Default SEGMENT_BYTES. */
  readonly segmentBytes?: number
  /** Log kept for followers beyond what recovery needs. Default WAL_RETAIN_BYTES. */
  readonly retainBytes?: number
  /** Size of the reserve file, freed when the disk is full so that a checkpoint can make room. 0: none. */
  readonly reserveBytes?: number
  /** Recent entries kept in memory, all groups together. */
  readonly cacheBytes?: number
  /** Default true. false only for proving that tests notice. */
  readonly fsync?: boolean
  /** 'full', 'stuck': refuse proposals, hand over leaderships; nothing is sure to be confirmed until 'ok' again. */
  readonly onState: (state: WalState, cause: unknown) => void
  /** A sync failed: what is durable is unknown, the process must stop. Called at most once. */
  readonly onFatal: (error: Error) => void
  /** After every durable batch. */
  readonly onBatch?: (stats: WalBatchStats) => void
}

export interface OpenedWal {
  readonly wal: Wal
  /** Groups named here lost this replica for good, now or before: it must neither vote nor acknowledge again. */
  readonly damage: readonly WalDamage[]
  /** To be told once the node knows which replicas it is to have. */
  readonly losses: Losses
}

/**
 * Recovers the log in `dir` and opens it for appending. Everything it offers afterwards is durable. Rejects when the
 * disk fails; damage of the log itself is not an error but part of the result.
 */
export async function openWal(options: WalOptions): Promise<OpenedWal> {
  const { dir, disk, env, segmentBytes = SEGMENT_BYTES, reserveBytes = RESERVE_BYTES } = options
  await disk.makeDir(dir)
  await disk.syncDir(dirname(dir))
  await disk.syncDir(dirname(dirname(dir)))
  let wal: ShardWal | undefined
  const found = await replay({
    ...{ disk, dir, mode: 'write', onDamage: (error) => wal?.fail(error) },
    // A frame is work of its own, and the node is already asked how it is.
    slice: new Slice(env, 1),
  })
  await repair(disk, dir, found)
  const files = new SegmentFiles({ ...found, disk, dir, env, segmentBytes, fsync: options.fsync ?? true })
  const { registry, remembered, isNews } = found
  if (isNews) await withReserve(disk, dir, () => saveQuarantine(disk, dir, remembered))
  // Tombstones of what was lost must be durable: the header of a new segment holds them.
  const rotate = () => files.rotate(registry.states(files.oldest))
  if (isNews || files.needsRotation) await withReserve(disk, dir, rotate)
  await putAside(disk, dir, found.damagedFiles)
  wal = new ShardWal({
    env,
    registry,
    files,
    segmentBytes,
    retainBytes: options.retainBytes ?? WAL_RETAIN_BYTES,
    cacheBytes: options.cacheBytes ?? CACHE_BYTES,
    onState: options.onState,
    onFatal: options.onFatal,
    onBatch: options.onBatch,
  })
  const space = new Space({ disk, dir, env, reserveBytes, onChange: () => wal?.judge() })
  await space.start(await disk.list(dir))
  wal.start(space)
  return { wal, damage: remembered.places.map(damageOf), losses: new Losses({ disk, dir, registry, remembered }) }
}

/**
 * What was read may be in the page cache only: an earlier run's fdatasync may have failed or never begun. Every batch
 * but the last is proven by its successor; the last one is written again in place and synced.
 */
async function repair(disk: Disk, dir: string, { newest, segments, unborn }: Replay): Promise<void> {
  for (const path of unborn) await disk.remove(path)
  for (const name of await disk.list(dir)) {
    if (name.endsWith(UNBORN_SUFFIX)) await disk.remove(`${dir}/${name}`)
  }
  const file = segments.at(-1)?.file
  if (newest?.last && file) {
    if (newest.problem) await file.truncate(newest.end)
    const { position, bytes } = newest.last
    await writeAll(file, [readRange(file, position, bytes)], position)
    await fullSync(file)
  }
  await disk.syncDir(dir)
}

/** On a disk that is full from the start the reserve makes room for what must be written. */
async function withReserve(disk: Disk, dir: string, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    if (!isNoSpace(error) || !(await disk.list(dir)).includes(RESERVE_NAME)) throw error
    await disk.remove(`${dir}/${RESERVE_NAME}`)
    await write()
  }
}

/** Only now: what was lost is remembered, and its tombstones are durable. */
async function putAside(disk: Disk, dir: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) await disk.rename(path, asidePath(path))
  if (paths.length > 0) await disk.syncDir(dir)
}
