/**
 * Rows of a flush, and memory rebuilt from them. A row says what things mean and nothing of how memory is laid out, so
 * that replicas which applied the same commands have the same rows after a flush, however often each flushed before. The
 * one exception is which redeliveries lie cold: questions move them.
 */
import { assert } from '../../base/assert.ts'
import type { Reader, Store } from '../view.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import type { Channel, Group } from './group.ts'
import { channelKey, groupKey, partKey, TAG } from './keys.ts'
import { byPosition, encodeRecords } from './outstanding-rows.ts'
import type { Partition } from './partition.ts'
import type { Session } from './session.ts'

/** Of the rows; raised when they change, beside code that still reads the older ones. */
const ROWS_VERSION = 1
/** Bounds one row: about 64 KiB. */
const RECORDS_PER_ROW = 4_096
const SESSIONS_PER_ROW = 512

type Rows = Awaited<ReturnType<Reader['scan']>>

/** Writes what changed since the last flush. */
export function flushRows(partition: Partition, store: Store): void {
  store.put(TAG.counters, encodeCounters(partition))
  for (const channel of partition.dirtyChannels) store.put(channelKey(channel.number), encodeChannel(channel))
  partition.dirtyChannels.clear()
  for (const group of partition.dirtyGroups) flushGroup(group, store)
  partition.dirtyGroups.clear()
  partition.producers.flush(store)
}

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
  for (const { value } of rows) {
    const input = new ByteReader(value)
    const channel = partition.openChannel(input.latin1())
    channel.messages = input.number()
    channel.firedUpTo = { due: input.number(), index: input.number() }
    input.end()
    partition.messages += channel.messages
  }
}

function encodeCounters(partition: Partition): Uint8Array {
  const out = new ByteWriter(64)
  out.number(ROWS_VERSION)
  out.number(partition.lastIndex)
  out.number(partition.lastFence)
  out.number(partition.lastAt)
  out.number(partition.nextGroup)
  out.number(partition.producers.turn)
  return out.finish()
}

function encodeChannel(channel: Channel): Uint8Array {
  const out = new ByteWriter(160)
  out.latin1(channel.name)
  out.number(channel.messages)
  out.number(channel.firedUpTo.due)
  out.number(channel.firedUpTo.index)
  return out.finish()
}

function flushGroup(group: Group, store: Store): void {
  const { outstanding } = group
  if (group.sessionsChanged) {
    const parts = chunks([...group.sessions.values()], SESSIONS_PER_ROW).map(encodeSessions)
    group.sessionRows = putParts(store, TAG.sessions, group, parts, group.sessionRows)
    group.sessionsChanged = false
  }
  if (outstanding.changed) {
    const records = Array.from(outstanding.slots.live(), (slot) => outstanding.record(slot)).sort(byPosition)
    const parts = chunks(records, RECORDS_PER_ROW).map(encodeRecords)
    group.outstandingRows = putParts(store, TAG.outstanding, group, parts, group.outstandingRows)
    outstanding.cold.flush(store)
    outstanding.slots.trim()
    outstanding.changed = false
  }
  if (group.acked.changed) {
    const out = new ByteWriter(group.acked.bytes() + 16)
    group.acked.write(out)
    store.put(partKey(TAG.ackedFences, group.number, 0), out.finish())
    group.acked.changed = false
  }
  store.put(groupKey(group.number), encodeGroup(group))
}

function encodeGroup(group: Group): Uint8Array {
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

function encodeSessions(sessions: readonly Session[]): Uint8Array {
  const out = new ByteWriter(sessions.length * 64)
  out.number(sessions.length)
  for (const { id, consumer, number } of sessions) {
    out.latin1(id)
    out.latin1(consumer)
    out.number(number)
  }
  return out.finish()
}

/** Replaces rows 0 to before-1 by `parts`. */
function putParts(store: Store, tag: string, group: Group, parts: readonly Uint8Array[], before: number): number {
  for (const [part, bytes] of parts.entries()) store.put(partKey(tag, group.number, part), bytes)
  for (let part = parts.length; part < before; part++) store.delete(partKey(tag, group.number, part))
  return parts.length
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
}
