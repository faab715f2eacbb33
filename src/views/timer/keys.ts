/**
 * Keys of a timer view's rows: one tag character, then big-endian numbers, so that they sort like what they name
 * (docs/formats.md, "Timer view"). Every character is one byte.
 */
import { DUE_MS_MAX } from '../../base/limits.ts'

const WORD = 2 ** 32

export const TAG = {
  counters: 'a',
  coldBlock: 'b',
  channel: 'c',
  group: 'g',
  message: 'm',
  outstanding: 'o',
  ackedFences: 'k',
  producer: 'p',
  reason: 'r',
  sessions: 's',
} as const

export interface KeyRange {
  readonly gte: string
  readonly lt: string
}

/** Messages of a channel sort by (due, index). */
export function messageKey(channel: number, due: number, index: number): string {
  const dueHigh = Math.floor(due / WORD)
  const indexHigh = Math.floor(index / WORD)
  return String.fromCharCode(
    109,
    (channel >>> 8) & 255,
    channel & 255,
    (dueHigh >>> 8) & 255,
    dueHigh & 255,
    (due >>> 24) & 255,
    (due >>> 16) & 255,
    (due >>> 8) & 255,
    due & 255,
    (indexHigh >>> 24) & 255,
    (indexHigh >>> 16) & 255,
    (indexHigh >>> 8) & 255,
    indexHigh & 255,
    (index >>> 24) & 255,
    (index >>> 16) & 255,
    (index >>> 8) & 255,
    index & 255,
  )
}

/** Due and index of a message key. */
export function messageKeyPosition(key: string): { due: number; index: number } {
  const due = word(key, 3, 6)
  return { due, index: word(key, 9, 8) }
}

/** Keys of a channel's messages in (after, to]; either may lie beyond what a key can hold. */
export function messageRange(
  channel: number,
  after: { due: number; index: number },
  to: { due: number; index: number },
): KeyRange {
  return { gte: `${boundKey(channel, after)}\0`, lt: `${boundKey(channel, to)}\0` }
}

export function channelKey(channel: number): string {
  return TAG.channel + numberKey(channel)
}

export function groupKey(group: number): string {
  return TAG.group + numberKey(group)
}

/** The `part`th row of something of a group that needs several. */
export function partKey(tag: string, group: number, part: number): string {
  return tag + numberKey(group) + numberKey(part)
}

export function reasonKey(group: number, index: number): string {
  return TAG.reason + numberKey(group) + numberKey(Math.floor(index / WORD)) + numberKey(index % WORD)
}

/** Number in the key at the given place after the tag, counting four bytes each. */
export function keyNumber(key: string, place: number): number {
  return word(key, 1 + place * 4, 4)
}

export function tagRange(tag: string): KeyRange {
  return { gte: tag, lt: String.fromCharCode(tag.charCodeAt(0) + 1) }
}

function boundKey(channel: number, position: { due: number; index: number }): string {
  const due = Math.min(position.due, DUE_MS_MAX)
  const index = due < position.due ? Number.MAX_SAFE_INTEGER : Math.min(position.index, Number.MAX_SAFE_INTEGER)
  return messageKey(channel, due, index)
}

function numberKey(value: number): string {
  return String.fromCharCode((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255)
}

function word(key: string, from: number, bytes: number): number {
  let value = 0
  for (let i = from; i < from + bytes; i++) value = value * 256 + key.charCodeAt(i)
  return value
}
