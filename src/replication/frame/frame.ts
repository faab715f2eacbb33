/**
 * What travels between two nodes: Raft messages of many groups in one frame, with the sender's wall clock and a
 * checksum. Entries decoded from a frame are views into it, so a follower's log writes the bytes it received.
 * Layout: docs/formats.md, "Peer frames".
 */
import { crc32 } from 'node:zlib'
import { assert } from '../base/assert.ts'
import type { GroupId } from '../base/ids.ts'
import type { ConfState, Entry, SnapshotMeta } from '../base/log-entry.ts'
import type { Message, MessageType } from '../raft/types.ts'
import { ByteReader, ByteWriter, badBytes, VARINT_BYTES_MAX } from './bytes.ts'

export interface Envelope {
  readonly group: GroupId
  readonly message: Message
}

/** How many groups, and a sum over them. */
export interface Tally {
  readonly count: number
  /** 32 bits. */
  readonly sum: number
}

/** What sleeps between sender and receiver (slumber.ts): the groups that the sender leads, and those that it follows. */
export interface Pulse {
  readonly led: Tally
  readonly followed: Tally
}

export interface Frame {
  /** Sender's wall clock when it encoded the frame, ms. */
  readonly wallMs: number
  readonly envelopes: readonly Envelope[]
  /** Of a frame that is a pulse; it has no envelopes. */
  readonly pulse?: Pulse
}

export interface SnapshotHeader {
  readonly wallMs: number
  /** The view's last at' in the snapshot, ms. */
  readonly lastAt: number
  readonly group: GroupId
  readonly message: Message
  readonly snapshot: SnapshotMeta
}

const VERSION = 1
const KIND_MESSAGES = 1
const KIND_SNAPSHOT = 2
const KIND_PULSE = 3
const CRC_BYTES = 4
/** Version, kind, two times, count of envelopes, checksum. */
const FRAME_HEAD_BYTES = 2 + 12 + VARINT_BYTES_MAX + CRC_BYTES
const ENVELOPE_HEAD_BYTES = 2 + 10 * VARINT_BYTES_MAX
const ENTRY_HEAD_BYTES = 1 + 2 * VARINT_BYTES_MAX

const REJECT = 1
const SNAPSHOT = 2
const ENTRIES = 4

/** The number on the wire; never reused. */
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
  transferLeader: 12,
  timeoutNow: 13,
  propose: 14,
  quiesce: 16,
  wake: 17,
} as const satisfies Record<MessageType, number>

const TYPES: ReadonlyMap<number, MessageType> = new Map(
  Object.entries(TYPE_CODE).map(([type, code]) => [code, type as MessageType]),
)

/** An upper bound of the bytes that an envelope takes in a frame. */
export function envelopeBytes({ message }: Envelope): number {
  let bytes = ENVELOPE_HEAD_BYTES
  for (const entry of message.entries) bytes += ENTRY_HEAD_BYTES + entry.data.byteLength
  if (message.snapshot !== undefined) bytes += snapshotBytes(message.snapshot)
  return bytes
}

export function encodeFrame({ wallMs, envelopes }: Frame): Uint8Array {
  let bytes = FRAME_HEAD_BYTES
  for (const envelope of envelopes) bytes += envelopeBytes(envelope)
  const writer = new ByteWriter(bytes)
  writer.byte(VERSION)
  writer.byte(KIND_MESSAGES)
  writer.time(wallMs)
  writer.varint(envelopes.length)
  for (const envelope of envelopes) writeEnvelope(writer, envelope)
  return seal(writer)
}

/** A sign of life. */
export function encodePulse(wallMs: number, { led, followed }: Pulse): Uint8Array {
  const writer = new ByteWriter(FRAME_HEAD_BYTES + 2 * (VARINT_BYTES_MAX + 4))
  writer.byte(VERSION)
  writer.byte(KIND_PULSE)
  writer.time(wallMs)
  for (const { count, sum } of [led, followed]) {
    writer.varint(count)
    writer.uint32(sum)
  }
  return seal(writer)
}

/** The message that a receiver steps once every chunk of the snapshot is staged. */
export function encodeSnapshotHeader(header: Omit<SnapshotHeader, 'snapshot'>): Uint8Array {
  const writer = new ByteWriter(FRAME_HEAD_BYTES + envelopeBytes(header))
  writer.byte(VERSION)
  writer.byte(KIND_SNAPSHOT)
  writer.time(header.wallMs)
  writer.time(header.lastAt)
  writeEnvelope(writer, header)
  return seal(writer)
}

/** Throws INVALID for anything but an undamaged frame of a known version. */
export function decodeFrame(frame: Uint8Array): Frame {
  const reader = open(frame, KIND_MESSAGES, KIND_PULSE)
  const wallMs = reader.time()
  if (frame[1] === KIND_PULSE) {
    const pulse = { led: readTally(reader), followed: readTally(reader) }
    reader.end()
    return { wallMs, envelopes: [], pulse }
  }
  const count = reader.varint()
  const envelopes: Envelope[] = []
  for (let i = 0; i < count; i++) envelopes.push(readEnvelope(reader))
  reader.end()
  return { wallMs, envelopes }
}

/** Throws INVALID like {@link decodeFrame}. */
export function decodeSnapshotHeader(frame: Uint8Array): SnapshotHeader {
  const reader = open(frame, KIND_SNAPSHOT)
  const wallMs = reader.time()
  const lastAt = reader.time()
  const { group, message } = readEnvelope(reader)
  reader.end()
  if (message.snapshot === undefined) throw badBytes('a snapshot is missing its position')
  return { wallMs, lastAt, group, message, snapshot: message.snapshot }
}

function seal(writer: ByteWriter): Uint8Array {
  const sum = crc32(writer.finish())
  writer.uint32(sum)
  return writer.finish()
}

function open(frame: Uint8Array, ...kinds: readonly number[]): ByteReader {
  const end = frame.byteLength - CRC_BYTES
  if (end < 2) throw badBytes('cut short')
  const sum = new DataView(frame.buffer, frame.byteOffset + end, CRC_BYTES).getUint32(0)
  if (crc32(frame.subarray(0, end)) !== sum) throw badBytes('the checksum differs')
  const reader = new ByteReader(frame, 0, end)
  const version = reader.byte()
  if (version !== VERSION) throw badBytes(`version ${version} is unknown`)
  if (!kinds.includes(reader.byte())) throw badBytes('it is of another kind')
  return reader
}

function readTally(reader: ByteReader): Tally {
  return { count: reader.varint(), sum: reader.uint32() }
}

function writeEnvelope(writer: ByteWriter, { group, message }: Envelope): void {
  const { entries, snapshot } = message
  writer.varint(group)
  writer.byte(TYPE_CODE[message.type])
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
  if (snapshot !== undefined) writeSnapshot(writer, snapshot)
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

function readEnvelope(reader: ByteReader): Envelope {
  const group = reader.varint()
  const code = reader.byte()
  const type = TYPES.get(code)
  if (type === undefined) throw badBytes(`message type ${code} is unknown`)
  const flags = reader.byte()
  if ((flags & ~(REJECT | SNAPSHOT | ENTRIES)) !== 0) throw badBytes(`flags ${flags} are unknown`)
  const from = reader.varint()
  const to = reader.varint()
  const term = reader.varint()
  const index = reader.varint()
  const logTerm = reader.varint()
  const commit = reader.varint()
  const rejectHint = reader.varint()
  const context = reader.varint()
  const entries = (flags & ENTRIES) === 0 ? [] : readEntries(reader, index)
  const reject = (flags & REJECT) !== 0
  const message = { type, from, to, term, index, logTerm, commit, entries, reject, rejectHint, context }
  if ((flags & SNAPSHOT) === 0) return { group, message }
  return { group, message: { ...message, snapshot: readSnapshot(reader) } }
}

function readEntries(reader: ByteReader, prevIndex: number): Entry[] {
  const count = reader.varint()
  const entries: Entry[] = []
  for (let index = prevIndex + 1; index <= prevIndex + count; index++) {
    const term = reader.varint()
    const type = reader.byte()
    if (type > 1) throw badBytes(`entry type ${type} is unknown`)
    entries.push({ term, index, type: type === 1 ? 'confChange' : 'normal', data: reader.bytes(reader.varint()) })
  }
  return entries
}

function snapshotBytes({ confState }: SnapshotMeta): number {
  const { voters, votersOutgoing, learners, learnersNext } = confState
  return (6 + voters.length + votersOutgoing.length + learners.length + learnersNext.length) * VARINT_BYTES_MAX + 1
}

function writeSnapshot(writer: ByteWriter, { index, term, confState }: SnapshotMeta): void {
  writer.varint(index)
  writer.varint(term)
  writeIds(writer, confState.voters)
  writeIds(writer, confState.votersOutgoing)
  writeIds(writer, confState.learners)
  writeIds(writer, confState.learnersNext)
  writer.byte(confState.autoLeave ? 1 : 0)
}

function readSnapshot(reader: ByteReader): SnapshotMeta {
  const index = reader.varint()
  const term = reader.varint()
  const confState: ConfState = {
    voters: readIds(reader),
    votersOutgoing: readIds(reader),
    learners: readIds(reader),
    learnersNext: readIds(reader),
    autoLeave: reader.byte() !== 0,
  }
  return { index, term, confState }
}

function writeIds(writer: ByteWriter, ids: readonly number[]): void {
  writer.varint(ids.length)
  for (const id of ids) writer.varint(id)
}

function readIds(reader: ByteReader): number[] {
  const count = reader.varint()
  const ids: number[] = []
  for (let i = 0; i < count; i++) ids.push(reader.varint())
  return ids
}
