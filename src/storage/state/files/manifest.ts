/** Which files make up a LevelDB database: its manifest is a log of edits (google/leveldb, db/version_edit.cc). */
import type { KeyRange } from '../types.ts'
import { ByteReader } from './byte-reader.ts'

const SEQUENCE_BYTES = 8

export interface LiveFiles {
  /** Least and greatest key of each. */
  readonly tables: ReadonlyMap<number, KeyRange>
  /** Logs from this number on hold what is in no table yet. */
  readonly firstLog: number
}

interface Edited {
  readonly tables: Map<number, KeyRange>
  firstLog: number
  readonly tags: Set<number>
}

/** First log, next file number, last sequence: LevelDB does not open without them. */
const NEEDED_TAGS = [2, 3, 4]

/** Throws RangeError for what is not a manifest. */
export function readManifest(records: readonly Buffer[]): LiveFiles {
  const edited: Edited = { tables: new Map(), firstLog: 0, tags: new Set() }
  for (const record of records) {
    const reader = new ByteReader(record)
    while (!reader.ended) applyField(reader, edited)
  }
  if (NEEDED_TAGS.some((tag) => !edited.tags.has(tag))) throw new RangeError('it ends too early')
  return edited
}

function applyField(reader: ByteReader, edited: Edited): void {
  const tag = reader.varint()
  edited.tags.add(tag)
  switch (tag) {
    case 1: // comparator
      reader.slice()
      return
    case 2:
      edited.firstLog = reader.varint()
      return
    case 3: // next file number
    case 4: // last sequence
    case 9: // log before the first, unused since LevelDB 1.0
      reader.varint()
      return
    case 5: // compact pointer: level, key
      reader.varint()
      reader.slice()
      return
    case 6: // deleted file: level, number
      reader.varint()
      edited.tables.delete(reader.varint())
      return
    case 7: // new file: level, number, size, least key, greatest key
      reader.varint()
      addTable(reader, edited)
      return
    default:
      throw new RangeError(`tag ${tag} is unknown`)
  }
}

function addTable(reader: ByteReader, edited: Edited): void {
  const number = reader.varint()
  reader.varint()
  const gte = userKey(reader.slice())
  edited.tables.set(number, { gte, lt: `${userKey(reader.slice())}\x00` })
}

/** LevelDB's own keys end in a sequence number and a type. */
function userKey(key: Buffer): string {
  return key.toString('latin1', 0, Math.max(key.length - SEQUENCE_BYTES, 0))
}
