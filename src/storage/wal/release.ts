/**
 * Which segment can go. The oldest goes when for each of its logs the entries in it are given up, because a synced
 * checkpoint covers them and no follower needs them for whom they are still kept, or the live ones are copied to the newest
 * segment, always through the log's last index: a few at once, many only when the log has grown to a multiple of them.
 * Hard states and tombstones stand in the next header already; the new bases go with the copies in one batch, and the file
 * is deleted only when that is durable. The bound that follows is in docs/formats.md, "Size of the log".
 */
import type { GroupId } from '../../base/ids.ts'
import type { RecordInput } from './records.ts'
import type { ReplicaLog } from './replica-log.ts'
import type { Segment } from './segment.ts'

/** Live bytes copied to free one segment, as part of a segment: bounds what copying adds to all writing. */
const COPY_SHARE = 1 / 16
/**
 * More is copied when what lies behind the oldest segment is this many times all that no checkpoint covers: entries that
 * wait for a quorum, say. The log is gone through once for each time that these are copied, so that as much is new.
 */
const COPY_BEHIND = 2
/** Of such copies one batch takes this part of a segment, and at least one log. */
const COPY_BATCH_SHARE = 1 / 4

/** For whom a snapshot is on its way, the log is kept until so many times what is retained lies behind the oldest segment. */
const HELD_TIMES = 4

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
  /** Goes when the records are durable; undefined if they are only part of what has to be copied. */
  readonly segment: Segment | undefined
  /** The lowest segment that must exist from then on. */
  readonly floor: number | undefined
  /** To be written before it is deleted; reads entries, so build it only when it is used. */
  records(): readonly ReleaseRecord[]
}

interface ReleaseRecord {
  readonly log: ReplicaLog
  readonly input: RecordInput
}

/** A log with entries in the segment, the last of them, what can be given up, and the bytes that then are copied. */
interface Holder {
  readonly log: ReplicaLog
  readonly last: number
  readonly limit: number
  readonly liveBytes: number
  /** It is kept for somebody to whom a snapshot is on its way. */
  readonly held: boolean
}

/** Whether what is retained lies behind a segment, and whether all that is kept while snapshots are on their way does. */
interface Due {
  readonly retained: boolean
  readonly held: boolean
}

/** What frees the oldest segment, if it can go now. Nothing may be in flight when its records are built. */
export function planRelease(input: ReleaseInput): ReleasePlan | undefined {
  const { segments, logs, retainBytes, segmentBytes, isUrgent } = input
  const segment = segments[0]
  if (!segment || segments.length < 2) return undefined
  let behind = -segment.end
  for (const { end } of segments) behind += end
  const due = { retained: behind >= retainBytes, held: isUrgent || behind >= HELD_TIMES * retainBytes }
  // The segment just sealed is not worth copies, while there is room: a checkpoint will soon have covered it.
  const worthCopies = segments.length > 2 || isUrgent
  const copyBytesMax = worthCopies ? copyBytesFor(segment, input) : 0
  // Many copies need room before they make any.
  const mayCopyMany = due.retained && worthCopies && !isUrgent
  const holders: Holder[] = []
  let liveBytes = 0
  let held = false
  for (const log of logs()) {
    const last = log.lastIn(segment)
    if (last === undefined) continue
    const holder = holderOf(log, last, due)
    liveBytes += holder.liveBytes
    held ||= holder.held
    // What is held will not be for long, and there may be much of it.
    if (liveBytes > copyBytesMax && (held || !mayCopyMany)) return undefined
    holders.push(holder)
  }
  if (liveBytes > copyBytesMax && behind < COPY_BEHIND * uncoveredBytes(logs())) return undefined
  const part = liveBytes > copyBytesMax ? firstOf(holders, segmentBytes * COPY_BATCH_SHARE) : holders
  const whole = part.length === holders.length
  return {
    segment: whole ? segment : undefined,
    floor: whole ? segment.number + 1 : undefined,
    records: () => part.map(recordFor),
  }
}

/**
 * Groups with uncheckpointed entries so old that they would soon hold a segment: at least two whole segments and half of
 * what is retained lie behind. After its checkpoint a group is not named again before as much was written. On a full disk
 * all that hold the oldest segment, the one that is written to included, and those that hold it for a follower as well.
 */
export function laggards(input: ReleaseInput): readonly GroupId[] {
  const { segments, logs, retainBytes, isUrgent } = input
  const old = isUrgent ? oldestWorthIt(input) : newestOld(segments, retainBytes / 2)
  if (old === undefined) return []
  const found: GroupId[] = []
  for (const log of logs()) {
    if (isUrgent ? (log.lastIn(old) ?? 0) > notNeededUpTo(log) : log.uncoveredIn(old)) found.push(log.group)
  }
  return found
}

/** On a full disk the only segment goes too: sealed before its size is reached, once little of it is still needed. */
export function sealsEarly(input: ReleaseInput): boolean {
  const { segments, logs, isUrgent } = input
  const segment = segments[0]
  if (!isUrgent || !segment || segments.length > 1 || !isWorthSealing(input)) return false
  let bytes = 0
  for (const log of logs()) {
    const last = log.lastIn(segment)
    if (last !== undefined) bytes += holderOf(log, last, { retained: false, held: true }).liveBytes
  }
  return bytes <= copyBytesFor(segment, input)
}

function oldestWorthIt(input: ReleaseInput): Segment | undefined {
  const [oldest, next] = input.segments
  return next !== undefined || isWorthSealing(input) ? oldest : undefined
}

function newestOld(segments: readonly Segment[], bytes: number): Segment | undefined {
  let behind = 0
  for (let i = segments.length - 1; i >= 0; i--) {
    const segment = segments[i]
    if (segments.length - i > 2 && behind >= bytes) return segment
    behind += segment?.end ?? 0
  }
  return undefined
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

function holderOf(log: ReplicaLog, last: number, due: Due): Holder {
  const held = !due.held && log.heldFrom <= last
  const unneeded = due.retained ? log.covered : notNeededUpTo(log)
  const given = held ? Math.min(unneeded, log.heldFrom - 1) : unneeded
  const limit = Math.min(Math.max(given, log.base.index), log.lastIndex())
  return { log, last, limit, held, liveBytes: limit < last ? log.bytesFrom(limit + 1) + 1 : 0 }
}

/** A checkpoint covers it, and no follower needs it. */
function notNeededUpTo(log: ReplicaLog): number {
  return Math.min(log.covered, log.keepFrom - 1)
}

function uncoveredBytes(logs: Iterable<ReplicaLog>): number {
  let bytes = 0
  for (const log of logs) bytes += log.bytesFrom(log.covered + 1)
  return bytes
}

function firstOf(holders: readonly Holder[], bytesMax: number): readonly Holder[] {
  let bytes = 0
  const beyond = holders.findIndex((holder, i) => {
    bytes += holder.liveBytes
    return i > 0 && bytes > bytesMax
  })
  return beyond < 0 ? holders : holders.slice(0, beyond)
}

function recordFor({ log, last, limit }: Holder): ReleaseRecord {
  const { group, replica } = log
  const index = Math.min(last, limit)
  const base = { index, term: log.term(index) ?? 0 }
  if (limit >= last) return { log, input: { group, replica, base } }
  return { log, input: { group, replica, base, entries: log.entries(limit + 1, log.lastIndex() + 1, Infinity) } }
}
