/** The broker of one node: its timer partitions, the router over them, and their numbers. */
import { assert } from '../base/assert.ts'
import type { GroupId } from '../base/ids.ts'
import type { PartitionInfo } from './directory.ts'
import { createLaneBudgets } from './lane.ts'
import { Partition } from './partition.ts'
import { Router } from './router.ts'
import { newTopicCounters, type TopicCounters, type TopicStats } from './stats.ts'
import type { TimerHandle } from './timer-handle.ts'
import type { Broker, BrokerOptions, BrokerStats } from './types.ts'

/** An empty broker; partitions come with `attachGroup`. */
export function createBroker(options: BrokerOptions): Broker {
  return new NodeBroker(options)
}

class NodeBroker implements Broker {
  readonly router: Router
  readonly config: BrokerOptions['config']
  readonly #options: BrokerOptions
  readonly #partitions = new Map<GroupId, Partition>()
  /** Counters outlive partitions: they never go back. */
  readonly #counters = new Map<string, TopicCounters>()
  readonly #budgets = createLaneBudgets()
  readonly #proposals = { applied: 0, refused: 0, unknown: 0 }

  constructor(options: BrokerOptions) {
    this.#options = options
    this.config = options.config
    this.router = new Router({ env: options.env, directory: options.directory, partitions: this.#partitions })
  }

  attachGroup(info: PartitionInfo, handle: TimerHandle): void {
    assert(!this.#partitions.has(info.group), 'a group is attached once')
    const { env, config, directory, onLateness, onEvent } = this.#options
    const partition = new Partition({
      env,
      config,
      directory,
      info,
      handle,
      counters: this.#countersOf(info.topic),
      budgets: this.#budgets,
      onLateness: (latenessMs) => onLateness?.(info.topic, latenessMs),
      onEvent: (event) => onEvent?.(event),
      onStatus: () => this.router.changed(),
    })
    this.#partitions.set(info.group, partition)
  }

  detachGroup(group: GroupId): void {
    const partition = this.#partitions.get(group)
    if (partition === undefined) return
    this.#partitions.delete(group)
    partition.close('NOT_LEADER')
    for (const outcome of OUTCOMES) this.#proposals[outcome] += partition.proposals[outcome]
  }

  followForwardStep(wallMs: number): void {
    for (const partition of this.#partitions.values()) partition.leadership?.clock.followForwardStep(wallMs)
  }

  partitions(): Iterable<Partition> {
    return this.#partitions.values()
  }

  stats(): BrokerStats {
    const topics = new Map<string, TopicStats>()
    for (const [name, counters] of this.#counters) {
      topics.set(name, { ...counters, leases: 0, messages: 0, due: 0, scheduled: 0 })
    }
    const proposals = { ...this.#proposals }
    let leading = 0
    for (const partition of this.#partitions.values()) {
      for (const outcome of OUTCOMES) proposals[outcome] += partition.proposals[outcome]
      if (partition.leadership === undefined) continue
      leading += 1
      const topic = topics.get(partition.info.topic)
      if (topic !== undefined) topics.set(partition.info.topic, withGauges(topic, partition))
    }
    return { topics, leading, clockGapMs: this.clockGapMs(), proposals }
  }

  clockGapMs(): number {
    let largest = 0
    for (const { leadership } of this.#partitions.values()) {
      const gap = leadership?.clock.gapMs() ?? 0
      if (Math.abs(gap) > Math.abs(largest)) largest = gap
    }
    return largest
  }

  close(): void {
    for (const partition of this.#partitions.values()) partition.close('SHUTTING_DOWN')
  }

  #countersOf(topic: string): TopicCounters {
    let counters = this.#counters.get(topic)
    if (counters === undefined) {
      counters = newTopicCounters()
      this.#counters.set(topic, counters)
    }
    return counters
  }
}

const OUTCOMES = ['applied', 'refused', 'unknown'] as const

function withGauges(stats: TopicStats, partition: Partition): TopicStats {
  const { view } = partition.handle
  const ahead = partition.leadership?.dispatcher.lookAhead() ?? { due: 0, scheduled: 0 }
  let leases = stats.leases
  for (const group of view.groups()) leases += group.leased
  return {
    ...stats,
    leases,
    messages: stats.messages + view.messageCount,
    due: stats.due + ahead.due,
    scheduled: stats.scheduled + ahead.scheduled,
  }
}
