import { expect } from 'vitest'
import type { Reader, View } from '../../src/views/view.ts'

const EVERYTHING = { gte: '', lt: '\uffff' }

/** As a follower does that takes the rows for a snapshot: every row is looked at in the order of the keys, then all are loaded. */
export async function reload<V extends View>(view: V, rows: Reader, lastAt = Number.MAX_SAFE_INTEGER): Promise<V> {
  const check = view.rowCheck()
  for (const { key, value } of await rows.scan(EVERYTHING, Number.MAX_SAFE_INTEGER)) {
    if (!check.takes(key, value)) expect.unreachable(`row ${Buffer.from(key, 'latin1').toString('hex')} is not taken`)
  }
  const adopt = await view.load(rows, lastAt)
  adopt()
  return view
}
