/** A topic's counters, and its gauges as they are added up partition by partition. */
import type { Histogram } from '../base/histogram.ts'
import type { Partition } from './partition.ts'
import type { GroupCounters, TopicCounters, TopicStats } from './stats.ts'

export class TopicSurvey implements TopicStats {
  readonly produced: number
  readonly early: number
  readonly lateness: Histogram
  readonly groups: ReadonlyMap<string, Readonly<GroupCounters>>
  leases = 0
  messages = 0
  due = 0
  scheduled = 0

  constructor({ produced, early, lateness, groups }: TopicCounters) {
    this.produced = produced
    this.early = early
    this.lateness = lateness
    this.groups = groups
  }

  /** A partition that this node leads. */
  add(partition: Partition): void {
    const { view } = partition.handle
    const ahead = partition.leadership?.dispatcher.lookAhead() ?? { due: 0, scheduled: 0 }
    this.leases += view.leaseCount
    this.messages += view.messageCount
    this.due += ahead.due
    this.scheduled += ahead.scheduled
  }
}
