/** Opens a node's data folder: `shard-0/{wal,state}` (docs/formats.md), the state first because its lock is the node's. */
import { join } from 'node:path'
import type { Env } from '../base/env.ts'
import { SandglassError } from '../base/errors.ts'
import { SEGMENT_BYTES } from '../base/limits.ts'
import { nodeDisk } from '../storage/disk.ts'
import { isLocked, openStateStore, seemsInUse } from '../storage/state/store.ts'
import type { StateStore } from '../storage/state/types.ts'
import type { Losses } from '../storage/wal/losses.ts'
import { openWal } from '../storage/wal/open.ts'
import type { Wal, WalBatchStats, WalDamage, WalState } from '../storage/wal/types.ts'
import { usingData } from './data-error.ts'
import { StartError } from './start-error.ts'

export interface Storage {
  readonly state: StateStore
  readonly wal: Wal
  readonly damage: readonly WalDamage[]
  readonly losses: Losses
  /** The log first: its closing proves the last batch. */
  close(): Promise<void>
}

export interface StorageOptions {
  readonly env: Env
  readonly data: string
  readonly walRetainBytes: number
  readonly diskReserveBytes: number
  readonly onFatal: (error: Error) => void
  readonly onWalState: (state: WalState, cause: unknown) => void
  readonly onBatch: (stats: WalBatchStats) => void
  readonly onStateError: (error: unknown) => void
}

const SHARD = 'shard-0'
const SEGMENT_BYTES_MIN = 4 * 1024 * 1024

/**
 * Rejects with StartError DATA_LOCKED when another process has the folder, DATA_NEWER for a format of a later version,
 * DATA_UNUSABLE for what the system refuses.
 */
export function openStorage(options: StorageOptions): Promise<Storage> {
  return usingData(options.data, () => open(options))
}

async function open(options: StorageOptions): Promise<Storage> {
  const { env } = options
  const state = await openState(options)
  try {
    const { wal, damage, losses } = await openWal({
      dir: join(options.data, SHARD, 'wal'),
      disk: nodeDisk,
      env,
      retainBytes: options.walRetainBytes,
      segmentBytes: segmentBytes(options.walRetainBytes),
      reserveBytes: options.diskReserveBytes,
      onState: options.onWalState,
      onFatal: options.onFatal,
      onBatch: options.onBatch,
      // For the test that proves that a log without fdatasync is noticed; never set it elsewhere.
      fsync: process.env.SANDGLASS_UNSAFE_NO_FSYNC !== '1',
    })
    const close = async () => {
      await wal.close()
      await state.close()
    }
    return { state, wal, damage, losses, close }
  } catch (error) {
    await state.close()
    throw refusalOf(options.data, error)
  }
}

/** The reason not to start, if another process seems to have the folder already; opening it is what tells for sure. */
export async function heldByAnother(data: string): Promise<StartError | undefined> {
  return (await seemsInUse(join(data, SHARD, 'state'))) ? locked(data) : undefined
}

function locked(data: string, cause?: unknown): StartError {
  return new StartError('DATA_LOCKED', `Cannot use ${data}: another process has it`, { cause })
}

/** What log and state refuse by themselves, as it is told to whoever starts the node; anything else as it came. */
function refusalOf(data: string, error: unknown): unknown {
  if (isLocked(error)) return locked(data, error)
  if (error instanceof SandglassError && error.reason === 'UNSUPPORTED') {
    return new StartError('DATA_NEWER', `Cannot use data ${data}: ${error.message}`, { cause: error })
  }
  return error
}

/** The log goes by whole segments: small ones where little is to be retained. */
function segmentBytes(retainBytes: number): number {
  return Math.min(SEGMENT_BYTES, Math.max(SEGMENT_BYTES_MIN, Math.floor(retainBytes / 4)))
}

async function openState(options: StorageOptions): Promise<StateStore> {
  try {
    return await openStateStore({
      dir: join(options.data, SHARD, 'state'),
      env: options.env,
      onError: options.onStateError,
    })
  } catch (error) {
    throw refusalOf(options.data, error)
  }
}
