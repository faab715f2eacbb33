/** Looks at a stopped node's data folder without changing it: `sandglass verify` and `sandglass inspect`. */
import { join } from 'node:path'
import { nodeDisk } from '../storage/disk.ts'
import { isLocked, verifyState } from '../storage/state/store.ts'
import type { StateReport } from '../storage/state/types.ts'
import type { WalVerification } from '../storage/wal/verify.ts'
import { inspectWal, verifyWal } from '../storage/wal/verify.ts'
import { createIdentityStore } from './formation/identity-file.ts'
import { StartError } from './start-error.ts'

export interface Examination {
  readonly data: string
  readonly identity: unknown
  readonly wal: WalVerification
  readonly state: StateReport
  readonly ok: boolean
}

const SHARD = 'shard-0'

/** Checks every checksum. Throws StartError DATA_LOCKED while a node runs on the folder. */
export async function verifyData(data: string): Promise<Examination> {
  const identity = await createIdentityStore(data).read()
  const state = await verifyState(join(data, SHARD, 'state')).catch((error: unknown) => {
    if (isLocked(error)) throw new StartError('DATA_LOCKED', `Cannot verify ${data}: a node runs on it`, error)
    throw error
  })
  const wal = await verifyWal(join(data, SHARD, 'wal'), nodeDisk)
  return { data, identity, wal, state, ok: wal.damage.length === 0 && state.damage.length === 0 }
}

/** One object for each record of the log, payloads left out. */
export function inspectData(data: string): AsyncIterable<object> {
  return inspectWal(join(data, SHARD, 'wal'), nodeDisk)
}
