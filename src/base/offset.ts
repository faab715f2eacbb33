/**
 * The public name of a message: 16 bytes `due ms (48) | index (64) | partition (16)` as 26 characters of Crockford
 * base32, most significant bits first, two zero padding bits last. It sorts as bytes and as text. 130 bits are 13 groups
 * of 10, so that two characters come out of one table look-up and no BigInt is needed.
 */
import { assert } from './assert.ts'
import { invalid } from './errors.ts'
import { DUE_MS_MAX } from './limits.ts'

export interface Offset {
  readonly due: number
  readonly index: number
  readonly partition: number
}

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const CHARS = 26
const WORD = 2 ** 32
const PARTITION_MAX = 0xffff
/** The two characters of every 10-bit group. */
const PAIRS: readonly string[] = Array.from({ length: 1024 }, (_, n) => `${ALPHABET[n >>> 5]}${ALPHABET[n & 31]}`)
/** Value of a character code below 128; 255: not in the alphabet. */
const VALUES: Readonly<Uint8Array> = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = ALPHABET.indexOf(String.fromCharCode(code))
  return value < 0 ? 255 : value
})

/** 26 characters. Integers: due in [0, 2^48), index in [0, 2^53), partition in [0, 65535]. */
export function encodeOffset(offset: Offset): string {
  const { due, index, partition } = offset
  assert(Number.isSafeInteger(index) && index >= 0, 'an offset holds an index below 2^53')
  return encodeOffsetWords(due, Math.floor(index / WORD), index >>> 0, partition)
}

/** The same with the index as two 32-bit halves: the whole format, also where a JS number ends. */
export function encodeOffsetWords(due: number, indexHigh: number, indexLow: number, partition: number): string {
  assert(Number.isInteger(due) && due >= 0 && due <= DUE_MS_MAX, 'an offset holds 48 bits of due time')
  assert(
    Number.isInteger(partition) && partition >= 0 && partition <= PARTITION_MAX,
    'an offset holds 16-bit partitions',
  )
  const dueHigh = Math.floor(due / 2 ** 24)
  const dueLow = due % 2 ** 24
  return (
    pair(dueHigh >>> 14) +
    pair(dueHigh >>> 4) +
    pair((dueHigh << 6) | (dueLow >>> 18)) +
    pair(dueLow >>> 8) +
    pair((dueLow << 2) | (indexHigh >>> 30)) +
    pair(indexHigh >>> 20) +
    pair(indexHigh >>> 10) +
    pair(indexHigh) +
    pair(indexLow >>> 22) +
    pair(indexLow >>> 12) +
    pair(indexLow >>> 2) +
    pair((indexLow << 8) | (partition >>> 8)) +
    pair(partition << 2)
  )
}

/** Throws SandglassError INVALID (field 'offset') for anything that {@link encodeOffset} would not have written. */
export function decodeOffset(text: string): Offset {
  if (text.length !== CHARS) throw notAnOffset()
  const due = bits(text, 0, 4) * 256 + (group(text, 4) >>> 2)
  const top = group(text, 4) & 3
  // Of the index's upper half only 21 bits fit a JS number; the counter never gets there.
  const indexHigh = bits(text, 5, 8)
  if (top !== 0 || indexHigh >= 2 ** 21) throw notAnOffset()
  const last = group(text, 12)
  const middle = group(text, 11)
  if ((last & 3) !== 0) throw notAnOffset()
  const index = indexHigh * WORD + bits(text, 8, 11) * 4 + (middle >>> 8)
  return { due, index, partition: ((middle & 255) << 8) | (last >>> 2) }
}

function pair(value: number): string {
  return PAIRS[value & 1023] ?? ''
}

/** Groups [from, to) as one number. */
function bits(text: string, from: number, to: number): number {
  let value = 0
  for (let i = from; i < to; i++) value = value * 1024 + group(text, i)
  return value
}

function group(text: string, at: number): number {
  return character(text, at * 2) * 32 + character(text, at * 2 + 1)
}

function character(text: string, at: number): number {
  const value = VALUES[text.charCodeAt(at)] ?? 255
  if (value === 255) throw notAnOffset()
  return value
}

function notAnOffset(): Error {
  return invalid('offset', 'Cannot read offset: it is not 26 characters of Crockford base32 that name a message')
}
