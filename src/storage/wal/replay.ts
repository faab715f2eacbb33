/**
 * Reads a whole log in order and rebuilds what it says, without changing a byte. Damage is judged here: a torn last
 * batch of the newest segment is cut; anything else costs every replica that may have had records there its place.
 */
import { assert } from '../../base/assert.ts'
import type { Slice } from '../../base/slice.ts'
import type { Disk, DiskFile, OpenMode } from '../disk.ts'
import { joined, type Quarantined, type Remembered, readQuarantine, stillLost } from './quarantine.ts'
import type { Footer, FooterRow } from './records.ts'
import { Registry } from './registry.ts'
import { type ScannedFrame, type ScanResult, scanSegment } from './scan.ts'
import { Segment, segmentName, segmentNumber } from './segment.ts'

const ASIDE_SUFFIX = '.damaged'

export interface Replay {
  readonly registry: Registry
  /** Sound segments, oldest first, open. */
  readonly segments: readonly Segment[]
  /** How the newest sound segment ends, if it is the newest of all. */
  readonly newest: (ScanResult & { readonly size: number }) | undefined
  /** Damage found now and by earlier runs, as far as nothing came in the place of what was lost. */
  readonly remembered: Remembered
  /** Something of it is not kept yet. */
  readonly isNews: boolean
  /** Files to put aside: their replicas are lost. */
  readonly damagedFiles: readonly string[]
  /** Files to remove: they never held anything that was acknowledged. */
  readonly unborn: readonly string[]
  /** Of the next batch and the next segment. */
  readonly sequence: number
  readonly nextNumber: number
  /** The lowest segment that must exist. */
  readonly floor: number
}

/** Missing segments told one by one; a stray file with a huge number must not fill the memory. */
const GAP_MAX = 64

interface Finding {
  readonly file: string
  readonly offset: number
  readonly reason: string
  readonly lost: readonly FooterRow[]
  /** `lost` is only what is known of it. */
  readonly everyGroup: boolean
}

interface ScannedFile {
  readonly file: DiskFile
  readonly size: number
  readonly result: ScanResult
  readonly segment: Segment
  /** The footer of the segment before, as this header repeats it. */
  readonly previous: Footer | undefined
  /** Every live replica when this segment began, by its header; undefined without one. */
  readonly known: readonly FooterRow[] | undefined
  /** The lowest segment that must exist, as far as this file knows. */
  readonly floor: number
}

export interface ReplayOptions {
  readonly disk: Disk
  readonly dir: string
  readonly mode: OpenMode
  /** Hears of later reads that fail. */
  readonly onDamage: (error: unknown) => void
  /** Of a process that serves meanwhile. */
  readonly slice?: Slice
}

/** Opens and reads every segment in `dir`. */
export async function replay(options: ReplayOptions): Promise<Replay> {
  const { disk, dir } = options
  const registry = new Registry(options.onDamage)
  const names = await disk.list(dir)
  const numbers = names.map(segmentNumber).filter((number) => number !== undefined)
  const aside = names.map(asideNumber).filter((number) => number !== undefined)
  const files: ScannedFile[] = []
  for (const number of numbers.sort((a, b) => a - b)) files.push(await scanFile(options, number, registry))
  const unborn = neverExisted(files)
  if (unborn) {
    files.pop()
    await unborn.file.close()
  }
  const newest = files.at(-1)
  const damaged = files.filter((one) => isDamaged(one, newest))
  for (const one of damaged) await one.file.close()
  const findings = damaged.map((one) => judge(files, files.indexOf(one), registry))
  const floor = Math.max(1, ...files.map((one) => one.floor))
  findings.push(...missing(files, { floor, aside: new Set(aside), dir, registry }))
  const newestNumber = Math.max(0, ...files.map((one) => one.segment.number), ...aside)
  const found = bury(findings, registry, newestNumber)
  const sound = files.filter((one) => !damaged.includes(one))
  found.push(...gaps(registry, sound[0]?.segment.path ?? dir, newestNumber))
  const kept = await readQuarantine(disk, dir, names)
  const remembered = joined({ ...kept, places: stillLost(kept.places, registry) }, found)
  return {
    registry,
    segments: sound.map((one) => one.segment),
    newest: newest && sound.includes(newest) ? { ...newest.result, size: newest.size } : undefined,
    remembered,
    isNews: found.length > 0,
    damagedFiles: damaged.map((one) => one.segment.path),
    unborn: unborn ? [unborn.segment.path] : [],
    sequence: Math.max(1, ...files.map((one) => one.result.sequence)),
    nextNumber: newestNumber + 1,
    floor,
  }
}

/** Where a damaged segment goes: kept for whoever wants to look, and so that its absence is no new damage. */
export function asidePath(path: string): string {
  return path + ASIDE_SUFFIX
}

/** The number of a segment that was put aside; undefined for other files. */
function asideNumber(name: string): number | undefined {
  return name.endsWith(ASIDE_SUFFIX) ? segmentNumber(name.slice(0, -ASIDE_SUFFIX.length)) : undefined
}

async function scanFile(
  { disk, dir, mode, slice }: ReplayOptions,
  number: number,
  registry: Registry,
): Promise<ScannedFile> {
  const path = `${dir}/${segmentName(number)}`
  const file = await disk.open(path, mode)
  const size = await file.size()
  const segment = new Segment(number, path, file)
  let previous: Footer | undefined
  let known: readonly FooterRow[] | undefined
  let floor = 1
  const result = await scanSegment({ file, size, slice }, number, (frame) => {
    feed(frame, segment, registry)
    floor = frame.floor ?? floor
    if (frame.head.kind === 'batch') return
    previous = frame.footer
    known = rowsOf(registry)
  })
  segment.seed = result.header?.seed ?? ''
  segment.end = result.end
  segment.chain = result.last?.headCrc ?? 0
  segment.batches = result.batches
  segment.sealed = result.sealed
  return { file, size, result, segment, previous, known, floor }
}

/** Applies a frame's records. A header repeats states, so it says nothing about who has records in its segment. */
function feed(frame: ScannedFrame, segment: Segment, registry: Registry): void {
  let position = frame.payloadPosition
  for (const record of frame.records) {
    if (frame.head.kind === 'batch') segment.touch(record)
    // What a header repeats was written before it.
    const lastPlace = frame.head.kind === 'batch' ? segment.number : segment.number - 1
    const log = record.removed ? undefined : registry.find(record, lastPlace)
    if (record.removed) registry.bury(record.group, record.replica, lastPlace)
    else if (log) registry.apply(record, log, segment, position)
    position += record.rows?.bytes ?? 0
  }
}

/**
 * A newest file without a valid header never came into being, if no batch was ever written to it and its predecessor,
 * which has all that the header would repeat, is there.
 */
function neverExisted(files: readonly ScannedFile[]): ScannedFile | undefined {
  const newest = files.at(-1)
  if (!newest || newest.result.header || newest.result.problem?.proven) return undefined
  const predecessor = files.at(-2)?.segment.number ?? 0
  return newest.segment.number === predecessor + 1 ? newest : undefined
}

function isDamaged({ result }: ScannedFile, newest: ScannedFile | undefined): boolean {
  if (!result.header) return true
  if (result === newest?.result) return result.problem?.proven ?? false
  return result.problem !== undefined || !result.sealed
}

/** Who loses what with the damaged file `at`: by its footer, else every replica there was when the next one began. */
function judge(files: readonly ScannedFile[], at: number, registry: Registry): Finding {
  const one = files[at]
  assert(one, 'a damaged file is one of the files')
  const { segment, result } = one
  const offset = result.problem?.offset ?? result.end
  const reason = result.problem?.reason ?? 'the segment was sealed, but its footer is missing'
  const next = files[at + 1]
  const footer =
    next?.previous?.segment === segment.number ? next.previous : result.sealed ? segment.footer() : undefined
  if (footer) return { file: segment.path, offset, reason, lost: footer.rows, everyGroup: false }
  const lost = files.slice(at + 1).find((later) => later.known)?.known ?? rowsOf(registry)
  return { file: segment.path, offset, reason, lost, everyGroup: true }
}

/** Segments that should be there: released ones are below the floor, damaged ones are put aside under their number. */
function missing(
  files: readonly ScannedFile[],
  { floor, aside, dir, registry }: { floor: number; aside: ReadonlySet<number>; dir: string; registry: Registry },
): Finding[] {
  const findings: Finding[] = []
  let expected = floor
  for (const { segment, previous, known } of files) {
    for (let number = Math.max(expected, segment.number - GAP_MAX); number < segment.number; number++) {
      const footer = previous?.segment === number ? previous : undefined
      const replaced = footer?.rows.every((row) => registry.outlived(row.group, row.replica))
      if (aside.has(number) || replaced) continue
      const lost = footer?.rows ?? known ?? []
      const reason = 'the segment is missing'
      findings.push({ file: `${dir}/${segmentName(number)}`, offset: 0, reason, lost, everyGroup: !footer })
    }
    expected = Math.max(expected, segment.number + 1)
  }
  return findings
}

function bury(findings: readonly Finding[], registry: Registry, newest: number): Quarantined[] {
  const damage = findings.map(({ lost, ...place }) => {
    return { ...place, lost: lost.filter((row) => !registry.outlived(row.group, row.replica)).map(nameOf) }
  })
  for (const { lost } of findings) {
    for (const { group, replica } of lost) registry.bury(group, replica, newest)
  }
  return damage
}

/** Closes the books of every log: none may lack entries that nothing says were released. */
function gaps(registry: Registry, file: string, newest: number): Quarantined[] {
  const damage: Quarantined[] = []
  for (const log of [...registry.all()]) {
    if (log.settle()) continue
    registry.bury(log.group, log.replica, newest)
    damage.push({ file, offset: 0, reason: 'entries are missing', lost: [nameOf(log)], everyGroup: false })
  }
  return damage
}

function nameOf({ group, replica }: Quarantined['lost'][number]): Quarantined['lost'][number] {
  return { group, replica }
}

function rowsOf(registry: Registry): readonly FooterRow[] {
  return Array.from(registry.all(), ({ group, replica }) => ({ group, replica, first: 0, last: 0 }))
}
