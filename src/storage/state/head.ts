/**
 * A group's head record (which generation counts, what it stands for) and the chain of its batches. Every batch leaves
 * a link in itself; the head knows the last one. LevelDB drops damaged batches in silence when it opens: a missing link
 * shows it. Links are kept for the last LINKS_MAX batches, more than one log file of LevelDB holds of a busy group.
 */

import type { Database, WriteBatch } from './database.ts'
import { batchKey, type Place } from './keys.ts'
import type { CheckpointMeta } from './types.ts'

const LINKS_MAX = 1024
const MIX = 0x85ebca6b

/** A generation's batches so far, and a checksum over all of them. */
export interface Chain {
  readonly batches: number
  readonly sum: number
}

export const NO_BATCHES: Chain = { batches: 0, sum: 0 }

export interface Head {
  readonly generation: number
  readonly chain: Chain
  readonly meta: CheckpointMeta
}

interface Link extends Chain {
  /** Of this batch alone. */
  readonly batch: number
}

export function encodeHead(head: Head): Uint8Array {
  return Buffer.from(JSON.stringify(head))
}

export function decodeHead(bytes: Uint8Array): Head {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString())
}

/** Adds the link of a filled batch to the batch; what comes after it in the batch is not covered. */
export function addLink(batch: WriteBatch, at: Place, before: Chain): Chain {
  const link = follow(before, batch.checksum())
  batch.put(batchKey(at, link.batches), Buffer.from(JSON.stringify(link)))
  if (link.batches > LINKS_MAX) batch.delete(batchKey(at, link.batches - LINKS_MAX))
  return { batches: link.batches, sum: link.sum }
}

/** What is wrong with the chain that ends in `chain`; undefined when it is whole. */
export async function findChainDamage(database: Database, at: Place, chain: Chain): Promise<string | undefined> {
  const first = Math.max(1, chain.batches - LINKS_MAX + 1)
  const links = database.iterate({ gte: batchKey(at, first), lt: batchKey(at, chain.batches + 1) }, false, 0)
  let expected = first
  let before: Chain | undefined = first === 1 ? NO_BATCHES : undefined
  try {
    for (let rows = await links.next(); rows.length > 0; rows = await links.next()) {
      for (const row of rows) {
        const link: Link = JSON.parse(Buffer.from(row.value).toString())
        if (link.batches !== expected) return `batch ${expected} is missing`
        if (before !== undefined && follow(before, link.batch).sum !== link.sum) return `batch ${expected} is wrong`
        before = link
        expected++
      }
    }
  } finally {
    await links.close()
  }
  if (expected <= chain.batches) return `batch ${expected} is missing`
  return before?.sum === chain.sum ? undefined : 'the last batch is not the one the head stands for'
}

function follow(before: Chain, batch: number): Link {
  const sum = Math.imul(Math.imul(before.sum ^ batch, MIX) ^ (before.batches + 1), MIX) >>> 0
  return { batches: before.batches + 1, sum, batch }
}
