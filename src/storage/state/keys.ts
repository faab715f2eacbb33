/**
 * Keys of the database: order-preserving tuples group (6 bytes) | generation (4) | kind (1) | rest, big-endian.
 * Generation 0 holds a group's head record only; the rows of a generation lie together, so that a dead one is a range.
 */
import { assert } from '../../base/assert.ts'
import type { GroupId } from '../../base/ids.ts'
import type { KeyRange } from './types.ts'

const GROUP_BYTES = 6
const PLACE_BYTES = GROUP_BYTES + 4
export const PREFIX_BYTES = PLACE_BYTES + 1
const GENERATION_MAX = 2 ** 32 - 1

const KIND_BATCH = '\x01'
const KIND_ROW = '\x02'
const KIND_END = '\x03'

export interface Place {
  readonly group: GroupId
  readonly generation: number
}

/** Above every key. */
export const END_KEY = '\xff'.repeat(PLACE_BYTES)

export function headKey(group: GroupId): string {
  return place({ group, generation: 0 })
}

export function batchKey(at: Place, batch: number): string {
  return place(at) + KIND_BATCH + bigEndian(batch, GROUP_BYTES)
}

/** What goes before a view's key. */
export function rowPrefix(at: Place): string {
  return place(at) + KIND_ROW
}

/** The rows of one generation whose own keys lie in `range`; all of them without it. */
export function rowRange(at: Place, range?: KeyRange): KeyRange {
  const prefix = rowPrefix(at)
  if (range === undefined) return { gte: prefix, lt: place(at) + KIND_END }
  return { gte: prefix + range.gte, lt: prefix + range.lt }
}

/** Everything of the generations from `from` to `to`, both included. */
export function generationRange(group: GroupId, from: number, to: number): KeyRange {
  return { gte: place({ group, generation: from }), lt: placeAfter({ group, generation: to }) }
}

/** Whether keys of `group` may lie in `keys`. */
export function mayHold(keys: KeyRange, group: GroupId): boolean {
  const all = generationRange(group, 0, GENERATION_MAX)
  return keys.gte < all.lt && all.gte < keys.lt
}

/** The least key above everything of one generation. */
export function placeAfter(at: Place): string {
  return at.generation < GENERATION_MAX
    ? place({ group: at.group, generation: at.generation + 1 })
    : place({ group: at.group + 1, generation: 0 })
}

/** Group and generation of any key. */
export function placeOf(key: string): Place {
  assert(key.length >= PLACE_BYTES, 'a key begins with group and generation')
  return { group: read(key, 0, GROUP_BYTES), generation: read(key, GROUP_BYTES, 4) }
}

function place(at: Place): string {
  assert(at.generation <= GENERATION_MAX, 'generations stay below 2^32')
  return bigEndian(at.group, GROUP_BYTES) + bigEndian(at.generation, 4)
}

function bigEndian(value: number, size: number): string {
  assert(Number.isSafeInteger(value) && value >= 0 && value < 2 ** (8 * size), `${value} fits ${size} bytes`)
  let text = ''
  let rest = value
  for (let i = 0; i < size; i++) {
    text = String.fromCharCode(rest % 256) + text
    rest = Math.floor(rest / 256)
  }
  return text
}

function read(key: string, from: number, size: number): number {
  let value = 0
  for (let i = from; i < from + size; i++) value = value * 256 + key.charCodeAt(i)
  return value
}
