/** The broker of one node: its timer partitions, the router over them, and their numbers. */
import { assert } from '../base/assert.ts'
import type { GroupId } from '../base/ids.ts'
import type { PartitionInfo } from './directory.ts'
import { createDispatchMemory, type DispatchMemory } from './dispatcher/memory/dispatch-memory.ts'
import { createLaneBudgets } from './lane.ts'
import { Partition } from './partition.ts'
import { Router } from './router.ts'
import { TopicCounters } from './stats.ts'
import type { TimerHandle } from './timer-handle.ts'
import { TopicSurvey } from './topic-survey.ts'
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
  /** Counters outlive partitions, since they never go back, but not their topic. */
  readonly #topics = new Map<string, KnownTopic>()
  readonly #budgets = createLaneBudgets()
  readonly #memory: DispatchMemory
  readonly #proposals = { applied: 0, refused: 0, unknown: 0 }

  constructor(options: BrokerOptions) {
    this.#options = options
    this.config = options.config
    this.#memory = options.memory ?? createDispatchMemory()
    this.router = new Router({ env: options.env, directory: options.directory, partitions: this.#partitions })
  }

  attachGroup(info: PartitionInfo, handle: TimerHandle): void {
    assert(!this.#partitions.has(info.group), 'a group is attached once')
    const { env, config, directory, onEvent } = this.#options
    const topic = this.#topic(info.topic)
    const partition = new Partition({
      env,
      config,
      directory,
      info,
      handle,
      memory: this.#memory,
      counters: topic.counters,
      budgets: this.#budgets,
      onEvent: (event) => onEvent?.(event),
      onStatus: () => this.router.changed(),
    })
    this.#partitions.set(info.group, partition)
    topic.partitions.add(partition)
  }

  detachGroup(group: GroupId): void {
    const partition = this.#partitions.get(group)
    if (partition === undefined) return
    this.#partitions.delete(group)
    partition.close('NOT_LEADER')
    for (const outcome of OUTCOMES) this.#proposals[outcome] += partition.proposals[outcome]
    this.#topics.get(partition.info.topic)?.partitions.delete(partition)
    this.#forgetGone(partition.info.topic)
  }

  followForwardStep(wallMs: number): void {
    for (const { leadership } of this.#partitions.values()) {
      leadership?.clock.followForwardStep(wallMs)
      leadership?.dispatcher.clockStepped()
    }
  }

  partitions(): Iterable<Partition> {
    return this.#partitions.values()
  }

  *survey(): Generator<void, BrokerStats> {
    const topics = new Map<string, TopicSurvey>()
    const proposals = { ...this.#proposals }
    let leading = 0
    let clockGapMs = 0
    for (const [name, { counters, partitions }] of this.#topics) {
      if (this.#forgetGone(name)) continue
      const topic = new TopicSurvey(counters)
      topics.set(name, topic)
      for (const partition of partitions) {
        for (const outcome of OUTCOMES) proposals[outcome] += partition.proposals[outcome]
        if (partition.leadership === undefined) continue
        leading += 1
        topic.add(partition)
        clockGapMs = further(clockGapMs, partition.leadership.clock.gapMs())
        yield
      }
      for (const group of counters.groups.keys()) {
        if (!some(partitions, (partition) => hasGroup(partition, group))) counters.groups.delete(group)
        yield
      }
    }
    return { topics, leading, clockGapMs, proposals }
  }

  *clockGaps(): Iterable<number> {
    for (const { leadership } of this.#partitions.values()) if (leadership !== undefined) yield leadership.clock.gapMs()
  }

  close(): void {
    this.router.close()
    for (const partition of this.#partitions.values()) partition.close('SHUTTING_DOWN')
  }

  /** True: the topic was deleted, and its last partition here has gone. */
  #forgetGone(name: string): boolean {
    const gone = this.#options.directory.topic(name) === undefined && this.#topics.get(name)?.partitions.size === 0
    if (gone) this.#topics.delete(name)
    return gone
  }

  #topic(name: string): KnownTopic {
    let topic = this.#topics.get(name)
    if (topic === undefined) {
      topic = { counters: new TopicCounters(), partitions: new Set() }
      this.#topics.set(name, topic)
    }
    return topic
  }
}

interface KnownTopic {
  readonly counters: TopicCounters
  /** Those with a replica here. */
  readonly partitions: Set<Partition>
}

/** The larger of two distances, either of which may be negative. */
function further(a: number, b: number): number {
  return Math.abs(b) > Math.abs(a) ? b : a
}

const OUTCOMES = ['applied', 'refused', 'unknown'] as const

function hasGroup({ handle: { view } }: Partition, group: string): boolean {
  return view.channels().some((channel) => view.group({ channel, group }) !== undefined)
}

function some<T>(items: Iterable<T>, holds: (item: T) => boolean): boolean {
  for (const item of items) if (holds(item)) return true
  return false
}
