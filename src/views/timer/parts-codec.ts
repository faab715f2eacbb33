/** Parts that several commands of a timer partition share, as bytes. Indexes and fences are written as differences. */
import type { ByteReader, ByteWriter } from './bytes.ts'
import type { GroupName, Held, Position } from './commands.ts'

export function writeGroup(out: ByteWriter, { channel, group }: GroupName): void {
  out.latin1(channel)
  out.latin1(group)
}

export function readGroup(input: ByteReader): GroupName {
  return { channel: input.latin1(), group: input.latin1() }
}

export function writePosition(out: ByteWriter, { due, index }: Position): void {
  out.number(due)
  out.number(index)
}

export function readPosition(input: ByteReader): Position {
  return { due: input.number(), index: input.number() }
}

/** Each as its difference from the one before, the first from `from`. */
export function writePositions(out: ByteWriter, from: Position, positions: readonly Position[]): void {
  out.number(positions.length)
  let { due, index } = from
  for (const position of positions) {
    out.signed(position.due - due)
    out.signed(position.index - index)
    due = position.due
    index = position.index
  }
}

export function readPositions(input: ByteReader, from: Position): Position[] {
  const count = input.count()
  const positions: Position[] = []
  let { due, index } = from
  for (let i = 0; i < count; i++) {
    due += input.signed()
    index += input.signed()
    positions.push({ due, index })
  }
  return positions
}

export function writeHeld(out: ByteWriter, items: readonly Held[]): void {
  out.number(items.length)
  let index = 0
  let fence = 0
  for (const item of items) {
    out.signed(item.index - index)
    out.signed(item.fence - fence)
    index = item.index
    fence = item.fence
  }
}

export function readHeld(input: ByteReader): Held[] {
  const count = input.count()
  const items: Held[] = []
  let index = 0
  let fence = 0
  for (let i = 0; i < count; i++) {
    index += input.signed()
    fence += input.signed()
    items.push({ index, fence })
  }
  return items
}
