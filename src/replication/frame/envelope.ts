/**
 * One Raft message of one group within a frame. Entries are read as views into the frame. Every number is held against a
 * bound that no honest sender reaches, and a message of a type carries only what belongs to the type; whether it can be
 * true is judged by the replica that it reaches (boundary/). Layout: docs/formats.md, "Peer frames".
 */
import { assert } from '../../base/assert.ts'
import type { GroupId } from '../../base/ids.ts'
import { ID_MAX, LOG_INDEX_MAX, PEER_ENTRIES_MAX, TERM_MAX } from '../../base/limits.ts'
import type { Entry } from '../../base/log-entry.ts'
import type { Message, MessageType } from '../../raft/types.ts'
import { type ByteReader, type ByteWriter, badBytes, VARINT_BYTES_MAX } from '../bytes.ts'
import { readPosition, writePosition } from './snapshot-position.ts'

export interface Envelope {
  readonly group: GroupId
  readonly message: Message
}

/** What a node asks of a leader elsewhere it asks by itself, not through its core: such messages do not travel. */
type WireType = Exclude<MessageType, 'propose' | 'transferLeader'>

/** Type, flags, ten numbers. */
const HEAD_BYTES = 2 + 10 * VARINT_BYTES_MAX
const ENTRY_HEAD_BYTES = 1 + 2 * VARINT_BYTES_MAX

const REJECT = 1
const SNAPSHOT = 2
const ENTRIES = 4

/** The number on the wire; never reused: 12, 14 and 15 are given up. */
const TYPE_CODE = {
  appendEntries: 1,
  appendEntriesResponse: 2,
  requestVote: 3,
  requestVoteResponse: 4,
  requestPreVote: 5,
  requestPreVoteResponse: 6,
  heartbeat: 7,
  heartbeatResponse: 8,
  installSnapshot: 9,
  readIndex: 10,
  readIndexResponse: 11,
  timeoutNow: 13,
  quiesce: 16,
  wake: 17,
} as const satisfies Record<WireType, number>

const CODES: ReadonlyMap<MessageType, number> = new Map(
  Object.entries(TYPE_CODE).map(([type, code]) => [type as MessageType, code]),
)
const TYPES: ReadonlyMap<number, MessageType> = new Map(
  Object.entries(TYPE_CODE).map(([type, code]) => [code, type as MessageType]),
)

/** An upper bound of the bytes that an envelope takes in a frame. */
export function envelopeBytes({ message }: Envelope): number {
  let bytes = HEAD_BYTES
  for (const entry of message.entries) bytes += ENTRY_HEAD_BYTES + entry.data.byteLength
  if (message.snapshot !== undefined) {
    const { voters, votersOutgoing, learners, learnersNext } = message.snapshot.confState
    bytes += 1
    bytes += (6 + voters.length + votersOutgoing.length + learners.length + learnersNext.length) * VARINT_BYTES_MAX
  }
  return bytes
}

export function writeEnvelope(writer: ByteWriter, { group, message }: Envelope): void {
  const { type, entries, snapshot } = message
  const code = CODES.get(type)
  assert(code !== undefined, 'a forwarded request never leaves the node')
  writer.varint(group)
  writer.byte(code)
  writer.byte(
    (message.reject ? REJECT : 0) | (snapshot === undefined ? 0 : SNAPSHOT) | (entries.length === 0 ? 0 : ENTRIES),
  )
  writer.varint(message.from)
  writer.varint(message.to)
  writer.varint(message.term)
  writer.varint(message.index)
  writer.varint(message.logTerm)
  writer.varint(message.commit)
  writer.varint(message.rejectHint)
  writer.varint(message.context)
  if (entries.length > 0) writeEntries(writer, message.index, entries)
  if (snapshot !== undefined) writePosition(writer, snapshot)
}

function writeEntries(writer: ByteWriter, prevIndex: number, entries: readonly Entry[]): void {
  writer.varint(entries.length)
  let index = prevIndex
  for (const entry of entries) {
    assert(entry.index === ++index, 'the entries of a message follow its index')
    writer.varint(entry.term)
    writer.byte(entry.type === 'confChange' ? 1 : 0)
    writer.varint(entry.data.byteLength)
    writer.bytes(entry.data)
  }
}

/** Throws INVALID with the field that cannot be. */
export function readEnvelope(reader: ByteReader): Envelope {
  const group = reader.number('group', ID_MAX, 1)
  const code = reader.byte()
  const type = TYPES.get(code)
  if (type === undefined) throw badBytes(`message type ${code} is not known between nodes`, 'type')
  const flags = reader.byte()
  checkFlags(type, flags)
  const from = reader.number('from', ID_MAX, 1)
  const to = reader.number('to', ID_MAX, 1)
  // Asked without a term; all else is said in one.
  const termless = type === 'readIndex' || type === 'wake'
  const term = reader.number('term', termless ? 0 : TERM_MAX, termless ? 0 : 1)
  const index = reader.number('index', LOG_INDEX_MAX)
  const logTerm = reader.number('logTerm', TERM_MAX)
  const commit = reader.number('commit', LOG_INDEX_MAX)
  const rejectHint = reader.number('rejectHint', LOG_INDEX_MAX)
  const context = reader.varint('context')
  const entries = (flags & ENTRIES) === 0 ? [] : readEntries(reader, index)
  const reject = (flags & REJECT) !== 0
  const message = { type, from, to, term, index, logTerm, commit, entries, reject, rejectHint, context }
  if ((flags & SNAPSHOT) === 0) return { group, message }
  return { group, message: { ...message, snapshot: readPosition(reader) } }
}

function checkFlags(type: MessageType, flags: number): void {
  if ((flags & ~(REJECT | SNAPSHOT | ENTRIES)) !== 0) throw badBytes(`flags ${flags} are unknown`, 'flags')
  if ((flags & ENTRIES) !== 0 && type !== 'appendEntries') throw badBytes(`${type} carries entries`, 'entries')
  if (((flags & SNAPSHOT) !== 0) !== (type === 'installSnapshot')) {
    throw badBytes(`${type} has a position, or has none`, 'snapshot')
  }
}

function readEntries(reader: ByteReader, prevIndex: number): Entry[] {
  const count = reader.number('entries', PEER_ENTRIES_MAX, 1)
  const entries: Entry[] = []
  for (let index = prevIndex + 1; index <= prevIndex + count; index++) {
    const term = reader.number('entries.term', TERM_MAX, 1)
    const type = reader.byte()
    if (type > 1) throw badBytes(`entry type ${type} is unknown`, 'entries.type')
    const data = reader.bytes(reader.varint('entries.data'))
    entries.push({ term, index, type: type === 1 ? 'confChange' : 'normal', data })
  }
  return entries
}
