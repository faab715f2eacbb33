/** Where a snapshot ends, and the configuration there, in the header of its stream. */
import { GROUP_MEMBERS_MAX, ID_MAX, LOG_INDEX_MAX, TERM_MAX } from '../../base/limits.ts'
import type { ConfState, SnapshotMeta } from '../../base/log-entry.ts'
import { brokenInvariant } from '../../raft/configuration.ts'
import { type ByteReader, type ByteWriter, badBytes } from '../bytes.ts'

export function writePosition(writer: ByteWriter, { index, term, confState }: SnapshotMeta): void {
  writer.varint(index)
  writer.varint(term)
  writeIds(writer, confState.voters)
  writeIds(writer, confState.votersOutgoing)
  writeIds(writer, confState.learners)
  writeIds(writer, confState.learnersNext)
  writer.byte(confState.autoLeave ? 1 : 0)
}

/** Throws INVALID with the field that cannot be. */
export function readPosition(reader: ByteReader): SnapshotMeta {
  const index = reader.number('snapshot.index', LOG_INDEX_MAX, 1)
  const term = reader.number('snapshot.term', TERM_MAX, 1)
  const confState: ConfState = {
    voters: readIds(reader, 'snapshot.voters'),
    votersOutgoing: readIds(reader, 'snapshot.votersOutgoing'),
    learners: readIds(reader, 'snapshot.learners'),
    learnersNext: readIds(reader, 'snapshot.learnersNext'),
    autoLeave: readFlag(reader),
  }
  const broken = confState.voters.length === 0 ? 'somebody votes' : brokenInvariant(confState)
  if (broken !== undefined)
    throw badBytes(`of a snapshot's configuration it is not true that ${broken}`, 'snapshot.confState')
  return { index, term, confState }
}

function readFlag(reader: ByteReader): boolean {
  const byte = reader.byte()
  if (byte > 1) throw badBytes(`snapshot.autoLeave is ${byte}`, 'snapshot.autoLeave')
  return byte === 1
}

function writeIds(writer: ByteWriter, ids: readonly number[]): void {
  writer.varint(ids.length)
  for (const id of ids) writer.varint(id)
}

function readIds(reader: ByteReader, field: string): number[] {
  const count = reader.number(field, GROUP_MEMBERS_MAX)
  const ids: number[] = []
  for (let i = 0; i < count; i++) ids.push(reader.number(field, ID_MAX, 1))
  return ids
}
