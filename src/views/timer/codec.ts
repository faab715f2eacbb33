/**
 * Commands of a timer partition as bytes: [type, version, fields ...] (docs/formats.md, "Timer view"). Unknown types and
 * versions stop the replica, because guessing what a committed command means would split the replicas.
 */
import { unreachable } from '../../base/assert.ts'
import { UnknownCommandError } from '../view.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import type { AttachCommand, GroupStart, NackItem, TimerCommand } from './commands.ts'
import { decodeDeliver, encodeDeliver } from './deliver-codec.ts'
import { readGroup, readHeld, readPosition, writeGroup, writeHeld, writePosition } from './parts-codec.ts'
import { decodeProduce, encodeProduce, produceBytes } from './produce-codec.ts'

/** Never reused; new commands take the next number. */
export const TYPE = {
  produce: 1,
  attach: 2,
  detach: 3,
  deliver: 4,
  ack: 5,
  nack: 6,
  extend: 7,
  expire: 8,
} as const satisfies Record<TimerCommand['type'], number>

const VERSION = 1
/** Since 2 a reason stands once and not in each item: a long one for many places made the command too large to propose. */
export const NACK_VERSION = 2

const SMALL = 512

/** Asserts what the broker has validated: whole numbers in range, names of latin1. Bodies are copied once. */
export function encodeTimerCommand(command: TimerCommand): Uint8Array {
  const out = new ByteWriter(command.type === 'produce' ? produceBytes(command) : SMALL)
  out.number(TYPE[command.type])
  out.number(versionOf(TYPE[command.type]))
  encodeFields(out, command)
  return out.finish()
}

/** Bodies are subarrays of `bytes`. Throws UnknownCommandError for a type or version it does not know. */
export function decodeTimerCommand(bytes: Uint8Array): TimerCommand {
  const input = new ByteReader(bytes, 2)
  const [type, version = 0] = bytes
  if (!isKnown(type, version)) {
    throw new UnknownCommandError(`timer command ${type}, version ${version}`)
  }
  const command = decodeFields(type, version, input)
  input.end()
  return command
}

/** An older log may hold the nacks of version 1. */
export function isKnown(type: number | undefined, version: number | undefined): boolean {
  return version !== undefined && version >= VERSION && version <= versionOf(type)
}

function versionOf(type: number | undefined): number {
  return type === TYPE.nack ? NACK_VERSION : VERSION
}

function encodeFields(out: ByteWriter, command: TimerCommand): void {
  if (command.type === 'produce') {
    encodeProduce(out, command)
    return
  }
  writeGroup(out, command)
  switch (command.type) {
    case 'attach':
      encodeAttach(out, command)
      return
    case 'detach':
      out.latin1(command.session)
      return
    case 'deliver':
      encodeDeliver(out, command)
      return
    case 'ack':
      writeHeld(out, command.items)
      return
    case 'nack':
      encodeNack(out, command.items)
      return
    case 'extend':
      out.endless(command.leaseMs)
      writeHeld(out, command.items)
      return
    case 'expire':
      writeHeld(out, command.items)
      for (const item of command.items) out.endless(item.deadline)
      return
    default:
      unreachable(command)
  }
}

function decodeFields(type: number | undefined, version: number, input: ByteReader): TimerCommand {
  switch (type) {
    case TYPE.produce:
      return decodeProduce(input)
    case TYPE.attach:
      return decodeAttach(input)
    case TYPE.detach:
      return { type: 'detach', ...readGroup(input), session: input.latin1() }
    case TYPE.deliver:
      return decodeDeliver(input)
    case TYPE.ack:
      return { type: 'ack', ...readGroup(input), items: readHeld(input) }
    case TYPE.nack:
      return { type: 'nack', ...readGroup(input), items: decodeNack(input, version) }
    case TYPE.extend:
      return { type: 'extend', ...readGroup(input), leaseMs: input.endless(), items: readHeld(input) }
    case TYPE.expire: {
      const group = readGroup(input)
      const items = readHeld(input).map(({ index, fence }) => ({ index, fence, deadline: input.endless() }))
      return { type: 'expire', ...group, items }
    }
    default:
      throw new UnknownCommandError(`timer command ${type}`)
  }
}

const START = { earliest: 0, latest: 1, position: 2 } as const satisfies Record<GroupStart['type'], number>

function encodeAttach(out: ByteWriter, command: AttachCommand): void {
  out.latin1(command.consumer)
  out.latin1(command.session)
  out.number(START[command.start.type])
  if (command.start.type === 'position') writePosition(out, command.start.position)
  out.number(command.holds === undefined ? 0 : 1)
  if (command.holds !== undefined) writeHeld(out, command.holds)
}

function decodeAttach(input: ByteReader): AttachCommand {
  const base = { ...readGroup(input), consumer: input.latin1(), session: input.latin1(), start: readStart(input) }
  if (input.number() === 0) return { type: 'attach', ...base }
  return { type: 'attach', ...base, holds: readHeld(input) }
}

function readStart(input: ByteReader): GroupStart {
  const start = input.number()
  if (start === START.position) return { type: 'position', position: readPosition(input) }
  return { type: start === START.latest ? 'latest' : 'earliest' }
}

/** Delay and place in one number, and whether the reason is a new one: so that the usual nack costs two bytes. */
function encodeNack(out: ByteWriter, items: readonly NackItem[]): void {
  writeHeld(out, items)
  let reason = ''
  for (const item of items) {
    out.number(item.delayMs * 2 + (item.keepPlace ? 1 : 0))
    out.number(item.reason === reason ? 0 : 1)
    if (item.reason !== reason) out.text(item.reason)
    reason = item.reason
  }
}

function decodeNack(input: ByteReader, version: number): NackItem[] {
  let reason = ''
  return readHeld(input).map(({ index, fence }) => {
    const delay = input.number()
    if (version < NACK_VERSION || input.number() === 1) reason = input.text()
    return { index, fence, delayMs: Math.floor(delay / 2), keepPlace: delay % 2 === 1, reason }
  })
}
