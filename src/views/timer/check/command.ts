/**
 * Which bytes are a command of a timer partition: what another node sends is asked this before it may reach a log, since
 * a committed entry that apply cannot take stops every replica. A command that passes is decoded without a fault, whatever
 * its numbers, and applied without one in any state. Its fields are those of codec.ts and the files beside it.
 */
import { COUNTER_MAX, DUE_MS_MAX, NACK_REASON_CHARS_MAX } from '../../../base/limits.ts'
import { isKnown, NACK_VERSION, TYPE } from '../codec.ts'
import { Walk } from './walk.ts'

/** Names as the broker makes them are far shorter: the longest has a consumer's name and a session in it. */
export const NAME_BYTES_MAX = 1024
/** A time that is added to leader's time and doubled for its sign stays a whole number. */
export const SPAN_MS_MAX = 2 ** 50
export const REASON_BYTES_MAX = 4 * NACK_REASON_CHARS_MAX

export function isTimerCommand(bytes: Uint8Array): boolean {
  const [type, version = 0] = bytes
  if (!isKnown(type, version)) return false
  const walk = new Walk(bytes, 2)
  if (type === TYPE.produce) produce(walk)
  else inGroup(walk, type, version)
  return walk.whole
}

function produce(walk: Walk): void {
  const first = walk.number()
  if (first !== 0) walk.bytes(NAME_BYTES_MAX)
  const channels = walk.count()
  for (let i = 0; i < channels && walk.sound; i++) walk.bytes(NAME_BYTES_MAX)
  const messages = walk.count()
  if (first > Number.MAX_SAFE_INTEGER - messages) walk.fault()
  let at = 0
  for (let i = 0; i < messages && walk.sound; i++) {
    const tag = walk.number()
    const kind = tag % 4
    if (Math.floor(tag / 4) >= channels) walk.fault()
    if (kind === 1) walk.number(SPAN_MS_MAX)
    else if (kind === 2) at = walk.next(at, DUE_MS_MAX)
    else if (kind === 3) walk.fault()
    walk.bytes()
  }
}

function inGroup(walk: Walk, type: number | undefined, version: number): void {
  walk.bytes(NAME_BYTES_MAX)
  walk.bytes(NAME_BYTES_MAX)
  switch (type) {
    case TYPE.attach:
      attach(walk)
      break
    case TYPE.detach:
      walk.bytes(NAME_BYTES_MAX)
      break
    case TYPE.deliver:
      deliver(walk)
      break
    case TYPE.ack:
      held(walk)
      break
    case TYPE.nack:
      nack(walk, version)
      break
    case TYPE.extend:
      span(walk)
      held(walk)
      break
    case TYPE.expire:
      for (let left = held(walk); left > 0 && walk.sound; left--) walk.number()
      break
    default:
      walk.fault()
  }
}

function attach(walk: Walk): void {
  walk.bytes(NAME_BYTES_MAX)
  walk.bytes(NAME_BYTES_MAX)
  if (walk.number(2) === 2) {
    walk.number()
    walk.number()
  }
  if (walk.number(1) === 1) held(walk)
}

function deliver(walk: Walk): void {
  const [due, index] = [walk.number(), walk.number()]
  walk.number()
  walk.number()
  for (let runs = walk.count(); runs > 0 && walk.sound; runs--) {
    walk.bytes(NAME_BYTES_MAX)
    span(walk)
    positions(walk, due, index)
    let again = 0
    for (let left = walk.count(); left > 0 && walk.sound; left--) again = walk.next(again, COUNTER_MAX)
  }
  positions(walk, due, index)
}

function positions(walk: Walk, fromDue: number, fromIndex: number): void {
  let [due, index] = [fromDue, fromIndex]
  for (let left = walk.count(); left > 0 && walk.sound; left--) {
    due = walk.next(due)
    index = walk.next(index)
  }
}

/** How many they are. */
function held(walk: Walk): number {
  const count = walk.count()
  let [index, fence] = [0, 0]
  for (let left = count; left > 0 && walk.sound; left--) {
    index = walk.next(index, COUNTER_MAX)
    fence = walk.next(fence, COUNTER_MAX)
  }
  return count
}

function nack(walk: Walk, version: number): void {
  for (let left = held(walk); left > 0 && walk.sound; left--) {
    walk.number(2 * SPAN_MS_MAX + 1)
    if (version < NACK_VERSION || walk.number(1) === 1) walk.bytes(REASON_BYTES_MAX)
  }
}

/** A time that may be endless: 0, or one more than it. */
function span(walk: Walk): void {
  walk.number(SPAN_MS_MAX + 1)
}
