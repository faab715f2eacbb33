/** Rebuilds a partition's memory from its rows, in bounded scans. Messages, reasons and cold blocks stay where they are. */
import { assert } from '../../base/assert.ts'
import type { Reader } from '../view.ts'
import { ByteReader } from './bytes.ts'
import type { Group } from './group.ts'
import { keyNumber, TAG, tagRange } from './keys.ts'
import { decodeRecords } from './outstanding-rows.ts'
import { Partition } from './partition.ts'
import { decodeCounters, loadChannels } from './rows.ts'
import type { Session } from './session.ts'

type Rows = Awaited<ReturnType<Reader['scan']>>

/** One scan: small enough to decode within a slice. */
const SCAN_ROWS = 256
const SCAN_BYTES = 64 * 1024

export async function loadPartition(reader: Reader): Promise<Partition> {
  const partition = new Partition()
  let producerTurn = 0
  await eachScan(reader, TAG.counters, (rows) => {
    for (const { value } of rows) producerTurn = decodeCounters(partition, value).producerTurn
  })
  await eachScan(reader, TAG.channel, (rows) => loadChannels(partition, rows))
  const groups = new Map<number, Group>()
  await eachScan(reader, TAG.group, (rows) => {
    for (const { key, value } of rows) groups.set(keyNumber(key, 0), loadGroup(partition, keyNumber(key, 0), value))
  })
  const sessions = new Map<Group, Map<number, Session>>()
  await eachScan(reader, TAG.sessions, (rows) => {
    for (const { key, value } of rows) loadSessions(groupOf(groups, key), value, sessions)
  })
  await eachScan(reader, TAG.outstanding, (rows) => {
    for (const { key, value } of rows) {
      const group = groupOf(groups, key)
      loadOutstanding(group, value, sessions.get(group), partition.lastAt)
    }
  })
  for (const group of groups.values()) group.outstanding.changed = false
  await eachScan(reader, TAG.ackedFences, (rows) => {
    for (const { key, value } of rows) groupOf(groups, key).acked.read(new ByteReader(value))
  })
  await eachScan(reader, TAG.producer, (rows) => partition.producers.load(rows))
  partition.producers.loaded(producerTurn)
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
  const passed = input.endless()
  const group = partition.restoreGroup(number, channel, name, cursor, Number.isFinite(passed) ? passed : undefined)
  group.nextSession = input.number()
  group.sessionRows = input.number()
  group.outstandingRows = input.number()
  group.outstanding.cold.read(input)
  input.end()
  return group
}

function loadSessions(group: Group, row: Uint8Array, found: Map<Group, Map<number, Session>>): void {
  const byNumber = found.get(group) ?? new Map<number, Session>()
  found.set(group, byNumber)
  const input = new ByteReader(row)
  const count = input.count()
  for (let i = 0; i < count; i++) {
    const session = group.restoreSession(input.latin1(), input.latin1(), input.number())
    byNumber.set(session.number, session)
  }
  input.end()
}

function loadOutstanding(
  group: Group,
  row: Uint8Array,
  sessions: ReadonlyMap<number, Session> | undefined,
  at: number,
): void {
  for (const record of decodeRecords(row)) {
    const holder = record.lease === undefined ? undefined : sessions?.get(record.lease.session)
    group.outstanding.restore(record, holder, at)
  }
}

function groupOf(groups: ReadonlyMap<number, Group>, key: string): Group {
  const group = groups.get(keyNumber(key, 0))
  assert(group !== undefined, 'rows of a group follow its own row')
  return group
}
