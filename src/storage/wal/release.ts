/**
 * Which segment can go. The oldest goes when for each of its logs the entries in it are given up, because a synced
 * checkpoint covers them and no follower within the retained bytes needs them, or the few live ones are copied to the
 * newest segment, always through the log's last index. Hard states and tombstones stand in the next header already; the
 * new bases go with the copies in one batch, and the file is deleted only when that is durable.
 */
import type { GroupId } from '../../base/ids.ts'
import type { RecordInput } from './records.ts'
import type { ReplicaLog } from './replica-log.ts'
import type { Segment } from './segment.ts'

/** Live bytes copied to free one segment, as part of a segment: bounds what copying adds to all writing. */
const COPY_SHARE = 1 / 16

/** A segment is sealed early on a full disk only when it is worth a new one: this part of its usual size. */
const EARLY_SHARE = 1 / 16

export interface ReleaseInput {
  /** Oldest first; the last is written to and stays. */
  readonly segments: readonly Segment[]
  readonly logs: () => Iterable<ReplicaLog>
  readonly retainBytes: number
  readonly segmentBytes: number
  /** The disk is full: whatever can go shall go now. */
  readonly isUrgent: boolean
}

export interface ReleasePlan {
  readonly segment: Segment
  /** The lowest segment that must exist from then on. */
  readonly floor: number
  /** To be written before it is deleted; reads entries, so build it only when it is used. */
  records(): readonly ReleaseRecord[]
}

interface ReleaseRecord {
  readonly log: ReplicaLog
  readonly input: RecordInput
}

/** The oldest segment if it can go now. Nothing may be in flight when its records are built. */
export function planRelease(input: ReleaseInput): ReleasePlan | undefined {
  const { segments, logs, retainBytes, isUrgent } = input
  const segment = segments[0]
  if (!segment || segments.length < 2) return undefined
  let behind = 0
  for (const one of segments) behind += one === segment ? 0 : one.end
  // The segment just sealed is not worth copies, while there is room: a checkpoint will soon have covered it.
  const copyBytesMax = segments.length > 2 || isUrgent ? copyBytesFor(segment, input) : 0
  const affected: { readonly log: ReplicaLog; readonly last: number; readonly limit: number }[] = []
  let copyBytes = 0
  for (const log of logs()) {
    const last = log.lastIn(segment)
    if (last === undefined) continue
    const needed = behind >= retainBytes ? log.covered : Math.min(log.covered, log.keepFrom - 1)
    const limit = Math.min(Math.max(needed, log.base.index), log.lastIndex())
    if (limit < last) copyBytes += log.bytesFrom(limit + 1) + 1
    if (copyBytes > copyBytesMax) return undefined
    affected.push({ log, last, limit })
  }
  const floor = segment.number + 1
  return { segment, floor, records: () => affected.map(({ log, last, limit }) => recordFor(log, last, limit)) }
}

/**
 * Groups whose uncheckpointed entries hold the oldest segment, once a whole later segment has been filled. On a full disk
 * at once, the segment that is written to included, and those that hold it for a follower as well.
 */
export function laggards(input: Omit<ReleaseInput, 'retainBytes'>): readonly GroupId[] {
  const { segments, logs, isUrgent } = input
  const segment = segments[0]
  if (!segment || segments.length < (isUrgent ? 1 : 3) || (segments.length === 1 && !isWorthSealing(input))) return []
  const found: GroupId[] = []
  for (const log of logs()) {
    const given = isUrgent ? Math.min(log.covered, log.keepFrom - 1) : log.covered
    if ((log.lastIn(segment) ?? 0) > given) found.push(log.group)
  }
  return found
}

/** On a full disk the only segment goes too: sealed before its size is reached, once little of it is still needed. */
export function sealsEarly(input: Omit<ReleaseInput, 'retainBytes'>): boolean {
  const { segments, logs, isUrgent } = input
  const segment = segments[0]
  if (!isUrgent || !segment || segments.length > 1 || !isWorthSealing(input)) return false
  let bytes = 0
  for (const log of logs()) {
    const given = Math.min(log.covered, log.keepFrom - 1)
    if ((log.lastIn(segment) ?? 0) > given) bytes += log.bytesFrom(given + 1) + 1
  }
  return bytes <= copyBytesFor(segment, input)
}

/** What is carried over from segment to segment does not count, or it would be for ever. */
function isWorthSealing({ segments, segmentBytes }: Pick<ReleaseInput, 'segments' | 'segmentBytes'>): boolean {
  const segment = segments.at(-1)
  return segment !== undefined && segment.end - segment.carriedEnd >= segmentBytes * EARLY_SHARE
}

/** Of a segment sealed early less is copied: it must free more than it costs. */
function copyBytesFor(segment: Segment, { segmentBytes }: Pick<ReleaseInput, 'segmentBytes'>): number {
  return Math.min(segment.end, segmentBytes) * COPY_SHARE
}

function recordFor(log: ReplicaLog, last: number, limit: number): ReleaseRecord {
  const { group, replica } = log
  const index = Math.min(last, limit)
  const base = { index, term: log.term(index) ?? 0 }
  if (limit >= last) return { log, input: { group, replica, base } }
  return { log, input: { group, replica, base, entries: log.entries(limit + 1, log.lastIndex() + 1, Infinity) } }
}
