/**
 * Finds who serves a partition: this node when it leads, else the node that does. Without a known leader it waits until
 * shortly before the caller's deadline, so that an election passes unnoticed and a lost quorum is told in time.
 */
import type { Env } from '../base/env.ts'
import { invalid, SandglassError } from '../base/errors.ts'
import type { GroupId } from '../base/ids.ts'
import { type Directory, type NodeInfo, type PartitionInfo, type TopicInfo, topicNotFound } from './directory.ts'
import type { Partition } from './partition.ts'

export type Route =
  | { readonly type: 'local'; readonly partition: Partition }
  | { readonly type: 'remote'; readonly node: NodeInfo }

export interface RouterOptions {
  readonly env: Env
  readonly directory: Directory
  readonly partitions: ReadonlyMap<GroupId, Partition>
}

/** Looked at again at least this often while waiting, ms: not every cause of a new leader is announced. */
const LOOK_AGAIN_MS = 100
/** Answers leave this long before the deadline, so that the caller still hears them. */
const MARGIN_MS = 300
const MARGIN_SHARE = 0.25

export class Router {
  readonly #options: RouterOptions
  readonly #waiters = new Set<() => void>()
  #closed = false

  constructor(options: RouterOptions) {
    this.#options = options
    options.directory.onChange(() => this.changed())
  }

  /** A leader or topic may be known now. */
  changed(): void {
    for (const wake of [...this.#waiters]) wake()
  }

  /** The topic as this node knows it now or after asking the catalog. Rejects TOPIC_NOT_FOUND. `deadline`: monotonic ms. */
  async topic(name: string, deadline: number): Promise<TopicInfo> {
    const { directory, env } = this.#options
    const known = directory.topic(name)
    if (known !== undefined) return known
    await directory.refresh(answerBy(env, deadline) - env.monoMs())
    const found = directory.topic(name)
    if (found === undefined) throw topicNotFound(name)
    return found
  }

  /** The timer partition. Rejects TOPIC_NOT_FOUND, INVALID. */
  async partition(topic: string, id: number, deadline: number): Promise<PartitionInfo> {
    return partitionOf(await this.topic(topic, deadline), id)
  }

  /** Who serves it right now, if that is known; the hot path. Throws INVALID. */
  tryRoute(topic: string, id: number): Route | undefined {
    const info = this.#options.directory.topic(topic)
    return info && this.#routeOf(partitionOf(info, id))
  }

  /**
   * Who serves it, waiting for a leader until shortly before `deadline` (monotonic ms). Rejects TOPIC_NOT_FOUND, INVALID,
   * NO_QUORUM, SHUTTING_DOWN.
   */
  async route(topic: string, id: number, deadline: number): Promise<Route> {
    const until = answerBy(this.#options.env, deadline)
    for (;;) {
      // Each time anew: a topic that was deleted meanwhile, or made again, has no leader to be waited for.
      const info = await this.partition(topic, id, deadline)
      const route = this.#routeOf(info)
      if (route !== undefined) return route
      if (!(await this.pause(until))) throw noQuorum(info)
    }
  }

  /**
   * Waits for the next change, or a little; false when `until` (monotonic ms) has passed. Rejects SHUTTING_DOWN: every
   * wait of the services for something to change comes through here.
   */
  async pause(until: number): Promise<boolean> {
    const rest = until - this.#options.env.monoMs()
    if (rest <= 0) return false
    if (!this.#closed) await this.#change(Math.min(rest, LOOK_AGAIN_MS))
    if (this.#closed) throw new SandglassError('SHUTTING_DOWN', 'Cannot wait for a leader: this node is shutting down')
    return true
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Ends every wait, and each that would begin. Who need not wait is still routed. */
  close(): void {
    this.#closed = true
    this.changed()
  }

  /** Resolves when the local partition is ready to serve streams and times; rejects as `route` does, or NOT_LEADER. */
  async ready(partition: Partition, deadline: number): Promise<void> {
    const until = answerBy(this.#options.env, deadline)
    while (partition.now() === undefined) {
      if (!partition.leads) throw partition.notLeader()
      if (!(await this.pause(until))) throw noQuorum(partition.info)
    }
  }

  #routeOf(info: PartitionInfo): Route | undefined {
    const { directory, partitions } = this.#options
    const partition = partitions.get(info.group)
    if (partition?.leads) return { type: 'local', partition }
    const leader = directory.leaderOf(info.group)
    if (leader === 0 || leader === directory.self) return undefined
    const node = directory.node(leader)
    return node?.alive ? { type: 'remote', node } : undefined
  }

  /** Resolves at the next change or after `ms`. */
  #change(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = () => {
        timer.cancel()
        this.#waiters.delete(finish)
        resolve()
      }
      const timer = this.#options.env.after(ms, finish)
      this.#waiters.add(finish)
    })
  }
}

/** Monotonic time by which an answer has to leave so that it arrives before `deadline`. */
export function answerBy(env: Env, deadline: number): number {
  const rest = Math.max(0, deadline - env.monoMs())
  return env.monoMs() + rest - Math.min(MARGIN_MS, rest * MARGIN_SHARE)
}

function partitionOf(topic: TopicInfo, id: number): PartitionInfo {
  if (topic.kind !== 'timer')
    throw invalid('topic', `Cannot use topic ${topic.name} as a queue: its kind is ${topic.kind}`)
  const info = topic.partitions[id]?.id === id ? topic.partitions[id] : topic.partitions.find((p) => p.id === id)
  if (info === undefined) {
    throw invalid('partition', `Cannot find partition ${id}: ${topic.name} has ${topic.partitions.length}`)
  }
  return info
}

function noQuorum(info: PartitionInfo): SandglassError {
  return new SandglassError(
    'NO_QUORUM',
    `Cannot use partition ${info.id} of ${info.topic}: no majority of its replicas has a leader`,
  )
}
