/** Rows by their keys: what the layers know at once, the others from the database in small chunks. */
import type { SandglassError } from '../../../base/errors.ts'
import type { Value } from '../tree.ts'
import type { RowRead } from '../types.ts'

/** Point reads of the database as it was when they began, over keys given then. */
export interface PointReads {
  /** The next `count` keys; damage in its row's place. Rejects when nothing can be read any more. */
  next(count: number): Promise<readonly RowRead[]>
  close(): Promise<void>
}

/** Of one job of the database: with rows of full size 32 MiB, read by one thread while the turn goes on. */
const KEYS_PER_READ = 32

/**
 * `known`: what the layers know of each key (undefined: nothing, null: deleted); `below` reads those of which they know
 * nothing, in the same order, and is closed at the end. Stops at about `maxBytes`, after one row at the earliest.
 */
export async function readPoints(
  known: readonly (Value | undefined)[],
  below: PointReads | undefined,
  maxBytes: number,
): Promise<RowRead[]> {
  const rows: RowRead[] = []
  let found: readonly RowRead[] = []
  let at = 0
  let bytes = 0
  try {
    for (const value of known) {
      if (rows.length > 0 && bytes >= maxBytes) break
      let row: RowRead = value ?? undefined
      if (value === undefined && below !== undefined) {
        if (at === found.length) {
          found = await below.next(KEYS_PER_READ)
          at = 0
        }
        row = found[at++]
      }
      rows.push(row)
      if (row instanceof Uint8Array) bytes += row.byteLength
    }
  } finally {
    await below?.close()
  }
  return rows
}

/** Of a database of which nothing can be trusted. */
export function unreadablePoints(error: SandglassError): PointReads {
  return { next: async (count) => Array.from({ length: count }, () => error), close: async () => undefined }
}
