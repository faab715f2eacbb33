/**
 * Counters of one topic on this node, pulled by the metrics of `node/`. A name has counters only once something was
 * applied under it: what a client says and nobody stored leaves nothing here.
 */
import { Histogram } from '../base/histogram.ts'

export interface GroupCounters {
  delivered: number
  redelivered: number
  acked: number
  nacked: number
}

/** Upper bounds, seconds. */
const LATENESS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60]

export class TopicCounters {
  produced = 0
  early = 0
  /** Of first deliveries, seconds. */
  readonly lateness = new Histogram(LATENESS_S)
  readonly groups = new Map<string, GroupCounters>()
}

export interface TopicStats {
  readonly produced: number
  /** Deliveries before the due time: stays 0. */
  readonly early: number
  /** From the due time to the first delivery, seconds. */
  readonly lateness: Histogram
  /** By group name; channels and partitions together. */
  readonly groups: ReadonlyMap<string, Readonly<GroupCounters>>
  /** Of the partitions this node leads: */
  readonly leases: number
  /** Stored, scheduled and delivered ones together. */
  readonly messages: number
  /** Due and not handed out to the slowest group with consumers; a lower bound beyond the look-ahead. */
  readonly due: number
  /** Not handed out to the slowest group and not known to be due. */
  readonly scheduled: number
}

/** Those of a group that exists: of which something was applied. */
export function groupCounters(topic: TopicCounters, group: string): GroupCounters {
  let counters = topic.groups.get(group)
  if (counters === undefined) {
    counters = { delivered: 0, redelivered: 0, acked: 0, nacked: 0 }
    topic.groups.set(group, counters)
  }
  return counters
}
