/** Fills a batch, or a layer, from what is in memory, in slices of the event loop. */
import type { Env } from '../../base/env.ts'
import { Slice } from '../../base/slice.ts'
import type { WriteBatch } from './database.ts'
import { Layer } from './layer.ts'
import type { Source } from './merge.ts'
import type { MoreRows } from './types.ts'

export async function fillBatch(env: Env, batch: WriteBatch, prefix: string, rows: Source): Promise<void> {
  const slice = new Slice(env)
  for (; rows.key !== undefined; rows.advance()) {
    if (rows.value === null) batch.delete(prefix + rows.key)
    else batch.put(prefix + rows.key, rows.value)
    if (slice.spent()) await slice.rest()
  }
}

/** A layer of their own; what is in it is seen by nobody before it is whole. */
export async function fillLayer(env: Env, rows: MoreRows): Promise<Layer> {
  const layer = new Layer()
  const slice = new Slice(env, 1)
  const to = {
    put: (key: string, value: Uint8Array) => layer.put(key, value, false),
    delete: (key: string) => layer.delete(key),
  }
  for (const _ of rows.write(to)) if (slice.spent()) await slice.rest()
  return layer
}
