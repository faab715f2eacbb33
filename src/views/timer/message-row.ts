/**
 * A message's row is its body as it is. A first byte of 0, which no encoded body has, marks a row of another kind, told
 * by the second byte; kind 0 is a body that does begin with 0.
 */
import { assert } from '../../base/assert.ts'

const MARK = 0
const PLAIN = 0

export function messageRow(body: Uint8Array): Uint8Array {
  if (body[0] !== MARK) return body
  const row = new Uint8Array(body.length + 2)
  row[1] = PLAIN
  row.set(body, 2)
  return row
}

export function isMessageRow(row: Uint8Array): boolean {
  return row[0] !== MARK || row[1] === PLAIN
}

export function bodyOfRow(row: Uint8Array): Uint8Array {
  assert(isMessageRow(row), 'a message row is of a known kind')
  if (row[0] !== MARK) return row
  return row.subarray(2)
}
