/** What the files of a log hold, file by file, without opening it: for `sandglass inspect`. Changes nothing. */
import type { Disk } from '../disk.ts'
import { QUARANTINE_NAME } from './quarantine.ts'
import type { FooterRow } from './records.ts'
import { type ScanResult, scanSegment } from './scan.ts'
import { Segment, segmentName, segmentNumber } from './segment.ts'

export interface SegmentSummary {
  readonly file: string
  /** Of its first batch, and of the batch that would follow its last. */
  readonly sequence: { readonly first: number; readonly next: number }
  readonly bytes: number
  readonly batches: number
  readonly sealed: boolean
  /** Whose entries its batches hold. */
  readonly groups: readonly FooterRow[]
  /** How it ends if not cleanly. */
  readonly problem: string | undefined
}

/** Bytes of a file that mean nothing: any of them could change and nobody would have to notice. */
export interface UnusedRange {
  readonly file: string
  readonly from: number
  /** Exclusive. */
  readonly to: number
  readonly why: string
}

export interface WalSummary {
  readonly segments: readonly SegmentSummary[]
  readonly unused: readonly UnusedRange[]
}

export async function summarizeWal(dir: string, disk: Disk): Promise<WalSummary> {
  const segments: SegmentSummary[] = []
  const unused: UnusedRange[] = []
  for (const name of [...(await disk.list(dir))].sort()) {
    const path = `${dir}/${name}`
    const number = segmentNumber(name)
    const file = await disk.open(path, 'read')
    try {
      const bytes = await file.size()
      if (name === QUARANTINE_NAME) continue
      if (number === undefined) {
        unused.push({ file: path, from: 0, to: bytes, why: 'not part of the log' })
        continue
      }
      const segment = new Segment(number, `${dir}/${segmentName(number)}`, file)
      const result = await scanSegment({ file, size: bytes }, number, ({ head, records }) => {
        if (head.kind === 'batch') for (const record of records) segment.touch(record)
      })
      segments.push(summaryOf(segment, bytes, result))
      if (result.header && !result.problem && result.end < bytes)
        unused.push({ file: path, from: result.end, to: bytes, why: 'prepared for batches to come' })
    } finally {
      await file.close()
    }
  }
  return { segments, unused }
}

function summaryOf(segment: Segment, bytes: number, result: ScanResult): SegmentSummary {
  const { sequence, batches, sealed, problem } = result
  return {
    file: segment.path,
    sequence: { first: sequence - batches, next: sequence },
    bytes,
    batches,
    sealed,
    groups: segment.footer().rows.map((row) => (row.last === 0 ? { ...row, first: 0 } : row)),
    problem: problem && `${problem.reason} at ${problem.offset}`,
  }
}
