/**
 * Rebuilds a partition's memory from its rows, in bounded scans. Messages, reasons and cold blocks stay where they are. What
 * apply relies on between rows is asserted here, since a snapshot's rows were made by another node.
 */
import { assert } from '../../base/assert.ts'
import { GROUPS_MAX, OUTSTANDING_MAX, SESSIONS_MAX } from '../../base/limits.ts'
import type { Reader } from '../view.ts'
import { ByteReader } from './bytes.ts'
import type { Group } from './group.ts'
import { keyNumber, TAG, tagRange } from './keys.ts'
import { decodeRecords } from './outstanding-rows.ts'
import { Partition } from './partition.ts'
import { isBefore } from './position.ts'
import { decodeCounters, loadChannels } from './rows.ts'
import type { Session } from './session.ts'
import { NONE } from './slots.ts'

type Rows = Awaited<ReturnType<Reader['scan']>>

/** One scan: small enough to decode within a slice. */
const SCAN_ROWS = 256
const SCAN_BYTES = 64 * 1024

/** Far more than redeliveries that come due beside what is counted. */
const SLOTS_MAX = 2 * OUTSTANDING_MAX

/** Rows of a group that several make, as they are found. */
interface Parts {
  sessions: number
  outstanding: number
  readonly byNumber: Map<number, Session>
}

/** `lastAt`: the time that the rows stand for. Throws an InvariantError for rows that no partition has together. */
export async function loadPartition(reader: Reader, lastAt: number): Promise<Partition> {
  const partition = new Partition()
  let producerTurn = 0
  await eachScan(reader, TAG.counters, (rows) => {
    for (const { value } of rows) producerTurn = decodeCounters(partition, value).producerTurn
  })
  assert(partition.lastAt <= lastAt, 'rows are not ahead of the time that they stand for')
  await eachScan(reader, TAG.channel, (rows) => loadChannels(partition, rows))
  const groups = new Map<number, Group>()
  await eachScan(reader, TAG.group, (rows) => {
    for (const { key, value } of rows) groups.set(keyNumber(key, 0), loadGroup(partition, keyNumber(key, 0), value))
  })
  const parts = new Map<Group, Parts>()
  for (const group of groups.values()) parts.set(group, { sessions: 0, outstanding: 0, byNumber: new Map() })
  await eachScan(reader, TAG.sessions, (rows) => {
    for (const { key, value } of rows) loadSessions(groupOf(groups, key), value, partsOf(parts, groupOf(groups, key)))
  })
  await eachScan(reader, TAG.outstanding, (rows) => {
    for (const { key, value } of rows) {
      const group = groupOf(groups, key)
      loadOutstanding(group, value, partsOf(parts, group), partition.lastAt)
    }
  })
  for (const [group, { sessions, outstanding }] of parts) {
    assert(group.sessionRows === sessions && group.outstandingRows === outstanding, 'a group has the rows that it says')
    group.outstanding.changed = false
  }
  await eachScan(reader, TAG.ackedFences, (rows) => {
    for (const { key, value } of rows) groupOf(groups, key).acked.read(new ByteReader(value))
  })
  await eachScan(reader, TAG.producer, (rows) => partition.producers.load(rows))
  partition.producers.loaded(producerTurn, partition.lastAt)
  partition.dirtyChannels.clear()
  partition.dirtyGroups.clear()
  return partition
}

async function eachScan(reader: Reader, tag: string, take: (rows: Rows) => void): Promise<void> {
  const { gte, lt } = tagRange(tag)
  let from = gte
  for (;;) {
    const rows = await reader.scan({ gte: from, lt }, SCAN_ROWS, { maxBytes: SCAN_BYTES })
    const last = rows[rows.length - 1]
    if (last === undefined) return
    take(rows)
    from = `${last.key}\0`
  }
}

function loadGroup(partition: Partition, number: number, row: Uint8Array): Group {
  const input = new ByteReader(row)
  const channel = partition.channels.get(input.latin1())
  assert(channel !== undefined, 'a group belongs to a channel')
  const name = input.latin1()
  const cursor = { due: input.number(), index: input.number() }
  assert(number < partition.nextGroup && !channel.groups.has(name), 'groups are numbered by a counter, each once')
  assert(channel.groups.size < GROUPS_MAX, 'a channel has room for its groups')
  assert(!isBefore(channel.firedUpTo, cursor), 'a channel knows the highest cursor of its groups')
  const passed = input.endless()
  const group = partition.restoreGroup(number, channel, name, cursor, Number.isFinite(passed) ? passed : undefined)
  group.nextSession = input.number()
  group.sessionRows = input.number()
  group.outstandingRows = input.number()
  group.outstanding.cold.read(input)
  input.end()
  return group
}

function loadSessions(group: Group, row: Uint8Array, parts: Parts): void {
  const input = new ByteReader(row)
  const count = input.count()
  for (let i = 0; i < count; i++) {
    const [id, consumer, number] = [input.latin1(), input.latin1(), input.number()]
    assert(number < group.nextSession && !parts.byNumber.has(number), 'sessions are numbered by a counter, each once')
    assert(!group.sessions.has(id) && !group.consumers.has(consumer), 'a consumer has one session')
    parts.byNumber.set(number, group.restoreSession(id, consumer, number))
  }
  assert(group.sessions.size <= SESSIONS_MAX, 'a group has room for its sessions')
  input.end()
  parts.sessions++
}

function loadOutstanding(group: Group, row: Uint8Array, parts: Parts, at: number): void {
  const { slots } = group.outstanding
  for (const record of decodeRecords(row)) {
    assert(slots.find(record.index) === NONE, 'a message is outstanding once')
    const holder = record.lease === undefined ? undefined : parts.byNumber.get(record.lease.session)
    group.outstanding.restore(record, holder, at)
  }
  assert(slots.size <= SLOTS_MAX, 'what is outstanding in memory is bounded')
  parts.outstanding++
}

function partsOf(parts: ReadonlyMap<Group, Parts>, group: Group): Parts {
  const known = parts.get(group)
  assert(known !== undefined, 'every group has parts')
  return known
}

function groupOf(groups: ReadonlyMap<number, Group>, key: string): Group {
  const group = groups.get(keyNumber(key, 0))
  assert(group !== undefined, 'rows of a group follow its own row')
  return group
}
