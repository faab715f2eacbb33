/** Scans: what was captured of the layers, merged with what the database's iterator brings. Newest wins. */
import type { Env } from '../../base/env.ts'
import { Slice } from '../../base/slice.ts'
import type { RowIterator } from './database.ts'
import type { ScanBounds } from './layers.ts'
import { isBefore, type Source } from './merge.ts'
import type { Row } from './types.ts'

/** `below` is undefined when the group has nothing in the database; it is closed at the end. */
export async function readRows(
  env: Env,
  above: Source,
  below: RowIterator | undefined,
  bounds: ScanBounds,
): Promise<readonly Row[]> {
  const rows: Row[] = []
  let bytes = 0
  await eachRow(env, { above, below, reverse: bounds.reverse }, (key, value) => {
    rows.push({ key, value })
    bytes += key.length + value.byteLength
    return rows.length < bounds.limit && bytes < bounds.maxBytes
  })
  return rows
}

/** How many rows there are, up to `limit`. */
export async function countRows(
  env: Env,
  above: Source,
  below: RowIterator | undefined,
  limit: number,
): Promise<number> {
  let rows = 0
  await eachRow(env, { above, below, reverse: false }, () => ++rows < limit)
  return rows
}

interface Captured {
  readonly above: Source
  readonly below: RowIterator | undefined
  readonly reverse: boolean
}

/** Visits rows in order until `visit` says false; gives the event loop back between slices. */
async function eachRow(
  env: Env,
  { above, below, reverse }: Captured,
  visit: (key: string, value: Uint8Array) => boolean,
): Promise<void> {
  const stored = new StoredRows(below)
  const slice = new Slice(env)
  try {
    for (;;) {
      if (stored.dry) await stored.refill()
      if (slice.spent()) await slice.rest()
      const step = nextRow(above, stored, reverse)
      if (step === undefined) return
      if (step.value !== null && !visit(step.key, step.value)) return
    }
  } finally {
    await below?.close()
  }
}

/** The next row or tombstone of the two, taken off both. undefined at the end. */
function nextRow(
  above: Source,
  stored: StoredRows,
  reverse: boolean,
): { key: string; value: Uint8Array | null } | undefined {
  const row = stored.row
  const key = above.key
  if (key === undefined || (row !== undefined && isBefore(row.key, key, reverse))) {
    stored.advance()
    return row
  }
  const value = above.value
  above.advance()
  if (row?.key === key) stored.advance()
  return { key, value }
}

class StoredRows {
  readonly #below: RowIterator | undefined
  #rows: readonly Row[] = []
  #at = 0
  #ended: boolean

  constructor(below: RowIterator | undefined) {
    this.#below = below
    this.#ended = below === undefined
  }

  get row(): Row | undefined {
    return this.#rows[this.#at]
  }

  get dry(): boolean {
    return !this.#ended && this.#at === this.#rows.length
  }

  advance(): void {
    this.#at++
  }

  async refill(): Promise<void> {
    this.#rows = (await this.#below?.next()) ?? []
    this.#at = 0
    this.#ended = this.#rows.length === 0
  }
}
