/**
 * A change of membership (§6) as it lies in the log, and its bytes: one byte of version and transition, a varint count,
 * then (type, replica id) pairs, then the host's own context. An entry of type `confChange` without data leaves a joint
 * configuration.
 */
import { assert } from '../base/assert.ts'

export type ConfChangeType = 'addVoter' | 'addLearner' | 'remove' | 'update'

export interface ConfChangeStep {
  readonly type: ConfChangeType
  readonly replica: number
}

/**
 * `auto` takes one step at once and goes through a joint configuration for more than one; `implicit` is always joint and
 * leaves by itself; `explicit` is always joint and waits for a change without steps.
 */
export type ConfChangeTransition = 'auto' | 'implicit' | 'explicit'

export interface ConfChange {
  readonly transition: ConfChangeTransition
  /** Empty with transition `auto`: leave the joint configuration. */
  readonly changes: readonly ConfChangeStep[]
  /** The host's: travels with the entry, means nothing to the core. */
  readonly context: Uint8Array
}

const TYPES: readonly ConfChangeType[] = ['addVoter', 'addLearner', 'remove', 'update']
const TRANSITIONS: readonly ConfChangeTransition[] = ['auto', 'implicit', 'explicit']
const VERSION = 0x10

/** The change that leaves a joint configuration. */
export const LEAVE_JOINT: ConfChange = { transition: 'auto', changes: [], context: new Uint8Array(0) }

export function leavesJoint(change: ConfChange): boolean {
  return change.changes.length === 0 && change.transition === 'auto'
}

/** Bytes of an entry of type `confChange`; empty for a bare {@link LEAVE_JOINT}. */
export function encodeConfChange(change: ConfChange): Uint8Array {
  if (leavesJoint(change) && change.context.length === 0) return new Uint8Array(0)
  const bytes: number[] = [VERSION | TRANSITIONS.indexOf(change.transition)]
  pushVarint(bytes, change.changes.length)
  for (const step of change.changes) {
    bytes.push(TYPES.indexOf(step.type))
    pushVarint(bytes, step.replica)
  }
  const out = new Uint8Array(bytes.length + change.context.length)
  out.set(bytes)
  out.set(change.context, bytes.length)
  return out
}

/** The inverse of {@link encodeConfChange}. Bytes that it did not make are a broken invariant: they were committed. */
export function decodeConfChange(data: Uint8Array): ConfChange {
  const change = readConfChange(data)
  assert(change !== undefined, 'a configuration change is of a known version, with known steps, and not cut short')
  return change
}

/** undefined: bytes that {@link encodeConfChange} does not make. */
export function readConfChange(data: Uint8Array): ConfChange | undefined {
  if (data.length === 0) return LEAVE_JOINT
  const head = data[0] ?? 0
  const transition = TRANSITIONS[head & 0x0f]
  const count = readVarint(data, 1)
  if ((head & 0xf0) !== VERSION || transition === undefined || count === undefined) return undefined
  const changes: ConfChangeStep[] = []
  let at = count.next
  while (changes.length < count.value) {
    const type = TYPES[data[at] ?? TYPES.length]
    const replica = readVarint(data, at + 1)
    if (type === undefined || replica === undefined) return undefined
    changes.push({ type, replica: replica.value })
    at = replica.next
  }
  return { transition, changes, context: data.slice(at) }
}

function pushVarint(out: number[], value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'a replica id is an integer below 2^53')
  let rest = value
  while (rest >= 0x80) {
    out.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  out.push(rest)
}

function readVarint(data: Uint8Array, start: number): { value: number; next: number } | undefined {
  let value = 0
  let scale = 1
  for (let at = start; scale < 2 ** 53; at++) {
    const byte = data[at]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return Number.isSafeInteger(value) ? { value, next: at + 1 } : undefined
    scale *= 0x80
  }
  return undefined
}
