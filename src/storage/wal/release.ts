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

export interface ReleaseInput {
  /** Oldest first; the last is written to and stays. */
  readonly segments: readonly Segment[]
  readonly logs: () => Iterable<ReplicaLog>
  readonly retainBytes: number
  readonly segmentBytes: number
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
export function planRelease({ segments, logs, retainBytes, segmentBytes }: ReleaseInput): ReleasePlan | undefined {
  const segment = segments[0]
  if (!segment || segments.length < 2) return undefined
  let behind = 0
  for (const one of segments) behind += one === segment ? 0 : one.end
  // The segment just sealed is not worth copies: a checkpoint will soon have covered it.
  const copyBytesMax = segments.length > 2 ? segmentBytes * COPY_SHARE : 0
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

/** Groups whose uncheckpointed entries hold the oldest segment, once a whole later segment has been filled. */
export function laggards({ segments, logs }: Pick<ReleaseInput, 'segments' | 'logs'>): readonly GroupId[] {
  const segment = segments[0]
  if (!segment || segments.length < 3) return []
  const found: GroupId[] = []
  for (const log of logs()) {
    if ((log.lastIn(segment) ?? 0) > log.covered) found.push(log.group)
  }
  return found
}

function recordFor(log: ReplicaLog, last: number, limit: number): ReleaseRecord {
  const { group, replica } = log
  const index = Math.min(last, limit)
  const base = { index, term: log.term(index) ?? 0 }
  if (limit >= last) return { log, input: { group, replica, base } }
  return { log, input: { group, replica, base, entries: log.entries(limit + 1, log.lastIndex() + 1, Infinity) } }
}
