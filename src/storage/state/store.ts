/** The state store's doors: a shard's database on disk, and the same in memory for tests and simulation. */
import type { Env } from '../../base/env.ts'
import { SandglassError } from '../../base/errors.ts'
import type { StateOptions, StateReport, StateStore } from './types.ts'

/** What outlives a memory store: hand the same one to a new store and it finds the last checkpoints (a restart). */
export class MemoryDisk {}

/** Opens the state of one shard. Rejects with an error for which {@link isLocked} holds when another process has it. */
export function openStateStore(options: StateOptions): Promise<StateStore> {
  return Promise.reject(new SandglassError('UNSUPPORTED', `Cannot open ${options.dir}: not built yet`))
}

/** The same store in memory. A second store over the same `disk` takes it over; writes of the first are then lost. */
export function memoryStateStore(_env: Env, _disk: MemoryDisk = new MemoryDisk()): StateStore {
  throw new SandglassError('UNSUPPORTED', 'Cannot open a memory store: not built yet')
}

/** Checks everything in `dir` without changing damaged data. */
export function verifyState(dir: string): Promise<StateReport> {
  return Promise.reject(new SandglassError('UNSUPPORTED', `Cannot verify ${dir}: not built yet`))
}

/** Whether an error of {@link openStateStore} or {@link verifyState} means that another process holds the folder. */
export function isLocked(_error: unknown): boolean {
  return false
}
