/** Counters of one topic on this node, pulled by the metrics of `node/`. Gauges are computed when asked. */
export interface GroupCounters {
  delivered: number
  redelivered: number
  acked: number
  nacked: number
}

export interface TopicCounters {
  produced: number
  early: number
  readonly groups: Map<string, GroupCounters>
}

export interface TopicStats {
  readonly produced: number
  /** Deliveries before the due time: stays 0. */
  readonly early: number
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

export function newTopicCounters(): TopicCounters {
  return { produced: 0, early: 0, groups: new Map() }
}

export function groupCounters(topic: TopicCounters, group: string): GroupCounters {
  let counters = topic.groups.get(group)
  if (counters === undefined) {
    counters = { delivered: 0, redelivered: 0, acked: 0, nacked: 0 }
    topic.groups.set(group, counters)
  }
  return counters
}
