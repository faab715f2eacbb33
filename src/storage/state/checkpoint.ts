/**
 * Writes frozen layers down: rows, link and head in one atomic synced batch. A failed write leaves it unknown whether
 * the batch took effect; after the reopening the head in the database tells, and the batch is written again if not.
 */
import type { Env } from '../../base/env.ts'
import { SandglassError } from '../../base/errors.ts'
import type { Database } from './database.ts'
import { fillBatch } from './fill.ts'
import { addLink, decodeHead, encodeHead, type Head, NO_BATCHES } from './head.ts'
import { headKey, type Place, rowPrefix } from './keys.ts'
import type { Layer } from './layer.ts'
import { mergeFrozen } from './layers.ts'
import type { CheckpointMeta } from './types.ts'

const TRIES = 4
const RETRY_MS = 200

export interface Checkpoint {
  readonly meta: CheckpointMeta
  /** The one that stands in the database. */
  readonly head: Head | undefined
  /** The group was removed meanwhile. */
  cancelled(): boolean
}

/** The head that now stands in the database. Rejects when every try failed; the layers then still hold the rows. */
export async function writeCheckpoint(
  shard: { readonly database: Database; readonly env: Env },
  place: Place,
  frozen: readonly Layer[],
  checkpoint: Checkpoint,
): Promise<Head> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await writeOnce(shard, place, frozen, checkpoint)
    } catch (error) {
      const now = readHead(shard.database, place)
      if (batches(now) > batches(checkpoint.head) && now !== undefined) return now
      if (attempt === TRIES || checkpoint.cancelled() || !isWorthRetrying(error)) throw error
    }
    await new Promise<void>((resolve) => {
      shard.env.after(RETRY_MS * attempt, resolve)
    })
  }
}

async function writeOnce(
  shard: { readonly database: Database; readonly env: Env },
  place: Place,
  frozen: readonly Layer[],
  checkpoint: Checkpoint,
): Promise<Head> {
  const batch = await shard.database.batch()
  let head: Head
  try {
    if (checkpoint.cancelled()) throw new SandglassError('INTERNAL', 'Cannot write a checkpoint: the group was removed')
    await fillBatch(shard.env, batch, rowPrefix(place), mergeFrozen(frozen))
    const chain = addLink(batch, place, checkpoint.head?.chain ?? NO_BATCHES)
    head = { generation: place.generation, chain, meta: checkpoint.meta }
    batch.put(headKey(place.group), encodeHead(head))
  } catch (error) {
    batch.drop()
    throw error
  }
  await batch.write()
  return head
}

/** undefined as well when there is none under this generation, or none that can be read now. */
function readHead(database: Database, place: Place): Head | undefined {
  try {
    const value = database.get(headKey(place.group))
    const head = value === undefined ? undefined : decodeHead(value)
    return head?.generation === place.generation ? head : undefined
  } catch {
    // The error that is being handled says more than this one.
    return undefined
  }
}

function batches(head: Head | undefined): number {
  return head?.chain.batches ?? 0
}

function isWorthRetrying(error: unknown): boolean {
  return error instanceof SandglassError && error.reason !== 'SHUTTING_DOWN'
}
