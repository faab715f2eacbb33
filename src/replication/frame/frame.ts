/**
 * What travels between two nodes: Raft messages of many groups in one frame, with the sender's wall clock and a
 * checksum. Entries decoded from a frame are views into it, so a follower's log writes the bytes it received.
 * Layout: docs/formats.md, "Peer frames".
 */
import { crc32 } from 'node:zlib'
import type { GroupId } from '../../base/ids.ts'
import { ID_MAX, PEER_ENTRIES_MAX, PEER_ENVELOPES_MAX } from '../../base/limits.ts'
import type { SnapshotMeta } from '../../base/log-entry.ts'
import type { Message } from '../../raft/types.ts'
import { ByteReader, ByteWriter, badBytes, VARINT_BYTES_MAX } from '../bytes.ts'
import { type Envelope, envelopeBytes, readEnvelope, writeEnvelope } from './envelope.ts'
import { CLOCK_BYTES_MAX, type FrameClock, readClock, writeClock } from './frame-clock.ts'

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
  readonly clock: FrameClock
  readonly envelopes: readonly Envelope[]
  /** Of a frame that is a pulse; it has no envelopes. */
  readonly pulse?: Pulse
}

export interface SnapshotHeader {
  /** The view's last at' in the snapshot, ms. */
  readonly lastAt: number
  readonly group: GroupId
  readonly message: Message
  readonly snapshot: SnapshotMeta
}

const VERSION = 2
const KIND_MESSAGES = 1
const KIND_SNAPSHOT = 2
const KIND_PULSE = 3
const CRC_BYTES = 4
/** Version, kind, clock or a time, count of envelopes, checksum. */
const FRAME_HEAD_BYTES = 2 + CLOCK_BYTES_MAX + VARINT_BYTES_MAX + CRC_BYTES

export function encodeFrame({ clock, envelopes }: Frame): Uint8Array {
  let bytes = FRAME_HEAD_BYTES
  for (const envelope of envelopes) bytes += envelopeBytes(envelope)
  const writer = new ByteWriter(bytes)
  writer.byte(VERSION)
  writer.byte(KIND_MESSAGES)
  writeClock(writer, clock)
  writer.varint(envelopes.length)
  for (const envelope of envelopes) writeEnvelope(writer, envelope)
  return seal(writer)
}

/** A sign of life. */
export function encodePulse(clock: FrameClock, { led, followed }: Pulse): Uint8Array {
  const writer = new ByteWriter(FRAME_HEAD_BYTES + 2 * (VARINT_BYTES_MAX + 4))
  writer.byte(VERSION)
  writer.byte(KIND_PULSE)
  writeClock(writer, clock)
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
  writer.time(header.lastAt)
  writeEnvelope(writer, header)
  return seal(writer)
}

/** Throws INVALID, with the field that cannot be, for anything but an undamaged frame of a known version. */
export function decodeFrame(frame: Uint8Array): Frame {
  const reader = open(frame, KIND_MESSAGES, KIND_PULSE)
  const clock = readClock(reader)
  if (frame[1] === KIND_PULSE) {
    const pulse = { led: readTally(reader, 'led'), followed: readTally(reader, 'followed') }
    reader.end()
    return { clock, envelopes: [], pulse }
  }
  const count = reader.number('envelopes', PEER_ENVELOPES_MAX)
  const envelopes: Envelope[] = []
  let entries = 0
  for (let i = 0; i < count; i++) {
    const envelope = readEnvelope(reader)
    if (envelope.message.type === 'installSnapshot') throw badBytes('a snapshot comes as a stream', 'type')
    entries += envelope.message.entries.length
    if (entries > PEER_ENTRIES_MAX) throw badBytes(`it has more than ${PEER_ENTRIES_MAX} entries`, 'entries')
    envelopes.push(envelope)
  }
  reader.end()
  return { clock, envelopes }
}

/** Throws INVALID like {@link decodeFrame}. */
export function decodeSnapshotHeader(frame: Uint8Array): SnapshotHeader {
  const reader = open(frame, KIND_SNAPSHOT)
  const lastAt = reader.time()
  const { group, message } = readEnvelope(reader)
  reader.end()
  if (message.snapshot === undefined) throw badBytes('a snapshot is missing its position', 'snapshot')
  return { lastAt, group, message, snapshot: message.snapshot }
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
  if (version !== VERSION) throw badBytes(`version ${version} is unknown`, 'version')
  if (!kinds.includes(reader.byte())) throw badBytes('it is of another kind', 'kind')
  return reader
}

function readTally(reader: ByteReader, field: string): Tally {
  return { count: reader.number(`${field}.count`, ID_MAX), sum: reader.uint32() }
}
