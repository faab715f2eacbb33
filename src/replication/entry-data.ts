/**
 * The bytes of a `normal` entry: the commands a leader was asked for in one turn, under one time stamp. Encoded once by
 * the leader; log, followers and apply share these bytes. Layout: docs/formats.md, "Log entries".
 */
import { assert } from '../base/assert.ts'
import { COMMAND_BYTES_MAX, ENTRY_BYTES_MAX } from '../base/limits.ts'
import { UnknownCommandError } from '../views/view.ts'
import { ByteReader, ByteWriter, VARINT_BYTES_MAX } from './bytes.ts'

const VERSION = 1
const HEAD_BYTES = 1 + 6 + VARINT_BYTES_MAX

export interface EntryData {
  /** Leader's time, ms. The view sees max(at, every earlier at'). */
  readonly at: number
  readonly commands: readonly Uint8Array[]
}

/** `commands` together at most ENTRY_BYTES_MAX; a larger one, up to COMMAND_BYTES_MAX, stands alone. */
export function encodeEntryData(at: number, commands: readonly Uint8Array[]): Uint8Array {
  let bytes = 0
  for (const command of commands) bytes += command.byteLength
  assert(
    bytes <= (commands.length > 1 ? ENTRY_BYTES_MAX : COMMAND_BYTES_MAX),
    'the commands of one entry fit its bound',
  )
  const writer = new ByteWriter(HEAD_BYTES + commands.length * VARINT_BYTES_MAX + bytes)
  writer.byte(VERSION)
  writer.time(at)
  writer.varint(commands.length)
  for (const command of commands) {
    writer.varint(command.byteLength)
    writer.bytes(command)
  }
  return writer.finish()
}

/**
 * Commands are views into `data`. Empty data, a leader's first entry of its term, has none and no time. Throws
 * UnknownCommandError for a version it does not know, INVALID for bytes that are cut short.
 */
export function decodeEntryData(data: Uint8Array): EntryData {
  if (data.byteLength === 0) return { at: 0, commands: [] }
  const reader = open(data)
  const at = reader.time()
  const count = reader.varint()
  const commands: Uint8Array[] = []
  for (let i = 0; i < count; i++) commands.push(reader.bytes(reader.varint()))
  reader.end()
  return { at, commands }
}

/** Whether {@link decodeEntryData} reads `data`, and all its commands are some. Throws as it does. */
export function isEntryData(data: Uint8Array, isCommand: (command: Uint8Array) => boolean): boolean {
  if (data.byteLength === 0) return true
  const reader = open(data)
  reader.time()
  for (let left = reader.varint(); left > 0; left--) {
    if (!isCommand(reader.bytes(reader.varint()))) return false
  }
  reader.end()
  return true
}

function open(data: Uint8Array): ByteReader {
  const reader = new ByteReader(data)
  const version = reader.byte()
  if (version !== VERSION) throw new UnknownCommandError(`an entry of version ${version}`)
  return reader
}
