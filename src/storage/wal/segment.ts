/**
 * One segment file. It comes into being under another name, is filled and synced there, then renamed: a file with a
 * segment's name has had a durable header. Its header repeats what recovery needs of everything before it.
 */
import type { ReplicaId } from '../../base/ids.ts'
import type { Disk, DiskFile } from '../disk.ts'
import { encodeFrame } from './encode.ts'
import { RecentBlocks } from './recent.ts'
import type { Footer, FooterRow, RecordInput, WalRecord } from './records.ts'
import { discard, writeAll } from './write-all.ts'

const NAME = /^(\d{10})\.wal$/
const NUMBER_DIGITS = 10
export const UNBORN_SUFFIX = '.new'
/** Name of the file of zeros that becomes the next segment. */
export const SPARE_NAME = `spare${UNBORN_SUFFIX}`

export class Segment {
  readonly number: number
  readonly path: string
  readonly file: DiskFile
  readonly recent = new RecentBlocks()
  seed = ''
  /** Where the next frame goes. */
  end = 0
  /** Up to here, as far as is known, lies what a new segment would hold as well: the header, and copies from older ones. */
  carriedEnd = 0
  /** What the next frame carries as its chain. */
  chain = 0
  batches = 0
  sealed = false
  readonly #touched = new Map<ReplicaId, FooterRow>()

  constructor(number: number, path: string, file: DiskFile) {
    this.number = number
    this.path = path
    this.file = file
  }

  /** Notes whose record a batch of this segment holds. */
  touch(record: WalRecord): void {
    const old = this.#touched.get(record.replica)
    const { group, replica, rows } = record
    const first = rows ? rows.first : Number.MAX_SAFE_INTEGER
    const last = rows ? rows.first + rows.count - 1 : 0
    if (old && old.first <= first && old.last >= last) return
    const row = { group, replica, first: Math.min(first, old?.first ?? first), last: Math.max(last, old?.last ?? last) }
    this.#touched.set(replica, row)
  }

  footer(): Footer {
    return { segment: this.number, rows: [...this.#touched.values()] }
  }
}

export function segmentName(number: number): string {
  return `${String(number).padStart(NUMBER_DIGITS, '0')}.wal`
}

/** The number in a segment's file name; undefined for other files. */
export function segmentNumber(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

export interface NewSegment {
  readonly number: number
  readonly seed: string
  /** Of its first batch. */
  readonly sequence: number
  /** Of the segment before; undefined when nothing sound precedes. */
  readonly previous: Footer | undefined
  /** The lowest segment that must exist. */
  readonly floor: number
  /** Base and hard state of every replica, then tombstones. */
  readonly states: readonly RecordInput[]
}

/** Creates a durable segment, from `spare` (zeros, under SPARE_NAME) if given. Leaves nothing behind if it fails. */
export async function createSegment(disk: Disk, dir: string, init: NewSegment, spare?: DiskFile): Promise<Segment> {
  const path = `${dir}/${segmentName(init.number)}`
  const unborn = spare ? `${dir}/${SPARE_NAME}` : path + UNBORN_SUFFIX
  const file = spare ?? (await disk.open(unborn, 'create'))
  try {
    const id = { kind: 'header', chain: 0, seed: init.seed, segment: init.number, sequence: init.sequence } as const
    const frame = encodeFrame(id, init.states, { footer: init.previous, floor: init.floor })
    await writeAll(file, frame.buffers, 0)
    await file.sync()
    await disk.rename(unborn, path)
    await disk.syncDir(dir)
    const segment = new Segment(init.number, path, file)
    segment.seed = init.seed
    segment.end = frame.bytes
    segment.carriedEnd = frame.bytes
    segment.chain = frame.headCrc
    return segment
  } catch (error) {
    await discard(disk, file, unborn)
    throw error
  }
}
