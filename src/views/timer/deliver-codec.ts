/** The deliver command as bytes: positions as differences from the cursor it was computed from. */
import type { ByteReader, ByteWriter } from './bytes.ts'
import type { DeliverCommand, DeliverRun, Position } from './commands.ts'
import { readGroup, readPosition, readPositions, writePosition, writePositions } from './parts-codec.ts'

/** Everything after the group's name. */
export function encodeDeliver(out: ByteWriter, command: DeliverCommand): void {
  const { after, to } = command
  writePosition(out, after)
  writePosition(out, to)
  out.number(command.runs.length)
  for (const run of command.runs) {
    out.latin1(run.session)
    out.endless(run.leaseMs)
    writePositions(out, after, run.positions)
    writeIndexes(out, run.again)
  }
  writePositions(out, after, command.parked)
}

export function decodeDeliver(input: ByteReader): DeliverCommand {
  const { channel, group } = readGroup(input)
  const after = readPosition(input)
  const to = readPosition(input)
  const count = input.count()
  const runs: DeliverRun[] = []
  for (let i = 0; i < count; i++) runs.push(readRun(input, after))
  return { type: 'deliver', channel, group, after, to, runs, parked: readPositions(input, after) }
}

function readRun(input: ByteReader, after: Position): DeliverRun {
  return {
    session: input.latin1(),
    leaseMs: input.endless(),
    positions: readPositions(input, after),
    again: readIndexes(input),
  }
}

function writeIndexes(out: ByteWriter, indexes: readonly number[]): void {
  out.number(indexes.length)
  let before = 0
  for (const index of indexes) {
    out.signed(index - before)
    before = index
  }
}

function readIndexes(input: ByteReader): number[] {
  const count = input.count()
  const indexes: number[] = []
  let index = 0
  for (let i = 0; i < count; i++) {
    index += input.signed()
    indexes.push(index)
  }
  return indexes
}
