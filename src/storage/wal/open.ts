/** The door of the write-ahead log: opening, which is recovery, and reading it without opening. */
import type { Env } from '../../base/env.ts'
import type { Disk } from '../disk.ts'
import type { Wal, WalDamage, WalState } from './types.ts'

export interface WalBatchStats {
  readonly bytes: number
  readonly writeMs: number
  readonly fsyncMs: number
}

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
  /** 'full': refuse proposals, hand over leaderships; nothing is confirmed until 'ok' again. */
  readonly onState: (state: WalState) => void
  /** A sync failed: what is durable is unknown, the process must stop. Called at most once. */
  readonly onFatal: (error: Error) => void
  /** After every durable batch. */
  readonly onBatch?: (stats: WalBatchStats) => void
}

export interface OpenedWal {
  readonly wal: Wal
  /** Groups named here lost this replica for good: it must neither vote nor acknowledge again. */
  readonly damage: readonly WalDamage[]
}

/**
 * Recovers the log in `dir` and opens it for appending. Everything it offers afterwards is durable. Rejects when the
 * disk fails; damage of the log itself is not an error but part of the result.
 */
export async function openWal(_options: WalOptions): Promise<OpenedWal> {
  throw new Error('Cannot open the log: not built yet')
}
