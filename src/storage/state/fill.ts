/** Fills a batch from rows in memory, in slices of the event loop. */
import type { Env } from '../../base/env.ts'
import { Slice } from '../../base/slice.ts'
import type { WriteBatch } from './database.ts'
import type { Source } from './merge.ts'

export async function fillBatch(env: Env, batch: WriteBatch, prefix: string, rows: Source): Promise<void> {
  const slice = new Slice(env)
  for (; rows.key !== undefined; rows.advance()) {
    if (rows.value === null) batch.delete(prefix + rows.key)
    else batch.put(prefix + rows.key, rows.value)
    if (slice.spent()) await slice.rest()
  }
}
