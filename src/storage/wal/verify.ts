/** Reading a log that nobody has open, without changing a byte: is it whole, and what does it hold. */
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import type { EntryType, HardState } from '../../base/log-entry.ts'
import type { Disk } from '../disk.ts'
import type { FrameKind } from './frame.ts'
import { damageOf } from './quarantine.ts'
import { type EntryRows, type FooterRow, rowBytes, rowIsConfChange, rowTerm, type WalRecord } from './records.ts'
import { replay } from './replay.ts'
import { type ScannedFrame, scanSegment } from './scan.ts'
import { segmentName, segmentNumber } from './segment.ts'
import type { LogPosition, WalDamage } from './types.ts'

interface VerifiedSegment {
  readonly file: string
  readonly bytes: number
  readonly batches: number
  readonly sealed: boolean
}

interface VerifiedGroup {
  readonly group: GroupId
  readonly replica: ReplicaId
  readonly base: LogPosition
  readonly lastIndex: number
  readonly hard: HardState | undefined
}

export interface WalVerification {
  /** Sound ones, oldest first. */
  readonly segments: readonly VerifiedSegment[]
  readonly groups: readonly VerifiedGroup[]
  readonly damage: readonly WalDamage[]
  /** A last batch that recovery would cut: it was never acknowledged. */
  readonly torn: { readonly file: string; readonly offset: number; readonly reason: string } | undefined
}

interface InspectedEntry {
  readonly index: number
  readonly term: number
  readonly type: EntryType
  readonly bytes: number
}

interface InspectedRecord extends Omit<WalRecord, 'rows'> {
  readonly entries: readonly InspectedEntry[]
}

export interface InspectedFrame {
  readonly file: string
  readonly offset: number
  readonly bytes: number
  readonly kind: FrameKind
  readonly sequence: number
  readonly records: readonly InspectedRecord[]
  /** What stands in the segment it closes; in a header, in the one before. */
  readonly footer: readonly FooterRow[] | undefined
}

/** Checks every byte of the log in `dir`. Rejects only when the disk fails. */
export async function verifyWal(dir: string, disk: Disk): Promise<WalVerification> {
  const { registry, segments, newest, remembered } = await replay({
    disk,
    dir,
    mode: 'read',
    onDamage: () => undefined,
  })
  const last = segments.at(-1)
  const torn = newest?.problem && last ? { ...newest.problem, file: last.path } : undefined
  for (const { file } of segments) await file.close()
  return {
    segments: segments.map(({ path, end, batches, sealed }) => ({ file: path, bytes: end, batches, sealed })),
    groups: Array.from(registry.all(), (log) => {
      const { group, replica, base, hard } = log
      return { group, replica, base, lastIndex: log.lastIndex(), hard }
    }),
    damage: remembered.places.map(damageOf),
    torn: torn && { file: torn.file, offset: torn.offset, reason: torn.reason },
  }
}

/** Every valid frame in order, segment by segment; in a damaged one those in front of the damage. */
export async function* inspectWal(dir: string, disk: Disk): AsyncGenerator<InspectedFrame, void, void> {
  const numbers = (await disk.list(dir)).map(segmentNumber).filter((number) => number !== undefined)
  for (const number of numbers.sort((a, b) => a - b)) {
    const path = `${dir}/${segmentName(number)}`
    const file = await disk.open(path, 'read')
    const frames: InspectedFrame[] = []
    try {
      const source = { file, size: await file.size() }
      await scanSegment(source, number, (frame) => frames.push(inspected(path, frame)))
    } finally {
      await file.close()
    }
    yield* frames
  }
}

function inspected(file: string, { head, position, bytes, records, footer }: ScannedFrame): InspectedFrame {
  return {
    file,
    offset: position,
    bytes,
    kind: head.kind,
    sequence: head.sequence,
    records: records.map(({ rows, ...record }) => ({ ...record, entries: rows ? entriesOf(rows) : [] })),
    footer: footer?.rows,
  }
}

function entriesOf(rows: EntryRows): readonly InspectedEntry[] {
  return Array.from({ length: rows.count }, (_, i) => ({
    index: rows.first + i,
    term: rowTerm(rows, i),
    type: rowIsConfChange(rows, i) ? 'confChange' : 'normal',
    bytes: rowBytes(rows, i),
  }))
}
