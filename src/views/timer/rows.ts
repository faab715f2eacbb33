/** What the rows of a checkpoint say of counters, channels and groups, and how they are read. */
import { assert } from '../../base/assert.ts'
import type { Reader } from '../view.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import type { Channel, Group } from './group.ts'
import { keyNumber } from './keys.ts'
import type { Partition } from './partition.ts'
import type { Session } from './session.ts'

/** Of the rows; raised when they change, beside code that still reads the older ones. */
export const ROWS_VERSION = 1
type Rows = Awaited<ReturnType<Reader['scan']>>

export function decodeCounters(partition: Partition, row: Uint8Array): { producerTurn: number } {
  const input = new ByteReader(row)
  const version = input.number()
  assert(version === ROWS_VERSION, `timer rows of version ${version} are unknown`)
  partition.lastIndex = input.number()
  partition.lastFence = input.number()
  partition.lastAt = input.number()
  partition.nextGroup = input.number()
  const producerTurn = input.number()
  input.end()
  return { producerTurn }
}

/** Rows come by number, which is the order in which channels were opened. */
export function loadChannels(partition: Partition, rows: Rows): void {
  for (const { key, value } of rows) {
    const input = new ByteReader(value)
    const channel = partition.openChannel(input.latin1())
    assert(channel.number === keyNumber(key, 0), 'channels are numbered in the order of their rows, each once')
    channel.messages = input.number()
    channel.firedUpTo = { due: input.number(), index: input.number() }
    input.end()
    partition.messages += channel.messages
    const { due, index } = channel.firedUpTo
    assert(due <= partition.lastAt && index <= partition.lastIndex, 'nothing was handed out ahead of time and messages')
  }
  assert(partition.messages <= partition.lastIndex, 'every message has an index of its own')
}

export function encodeCounters(partition: Partition): Uint8Array {
  const out = new ByteWriter(64)
  out.number(ROWS_VERSION)
  out.number(partition.lastIndex)
  out.number(partition.lastFence)
  out.number(partition.lastAt)
  out.number(partition.nextGroup)
  out.number(partition.producers.turn)
  return out.finish()
}

export function encodeChannel(channel: Channel): Uint8Array {
  const out = new ByteWriter(160)
  out.latin1(channel.name)
  out.number(channel.messages)
  out.number(channel.firedUpTo.due)
  out.number(channel.firedUpTo.index)
  return out.finish()
}

export function encodeAcked({ acked }: Group): Uint8Array {
  const out = new ByteWriter(acked.bytes() + 16)
  acked.write(out)
  return out.finish()
}

export function encodeGroup(group: Group): Uint8Array {
  const out = new ByteWriter(256)
  out.latin1(group.channel.name)
  out.latin1(group.name)
  out.number(group.cursor.due)
  out.number(group.cursor.index)
  out.endless(group.passed ?? Number.POSITIVE_INFINITY)
  out.number(group.nextSession)
  out.number(group.sessionRows)
  out.number(group.outstandingRows)
  group.outstanding.cold.write(out)
  return out.finish()
}

export function encodeSessions(sessions: readonly Session[]): Uint8Array {
  const out = new ByteWriter(sessions.length * 64)
  out.number(sessions.length)
  for (const { id, consumer, number } of sessions) {
    out.latin1(id)
    out.latin1(consumer)
    out.number(number)
  }
  return out.finish()
}
