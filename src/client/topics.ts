// Topics as users see them.
import { invalid } from '../base/errors.ts'
import { PARTITIONS_MAX, REPLICATION_FACTOR_MAX } from '../base/limits.ts'
import { checkName } from '../wire/fields.ts'
import { type Topic, TopicKind } from '../wire/messages.ts'
import type { Caller } from './calls.ts'
import { checkObject, checkWhole } from './checks.ts'

export interface TopicDescription {
  readonly name: string
  readonly kind: 'timer' | 'kv'
  readonly partitions: readonly {
    readonly id: number
    /** Name of the leading node; undefined: none known. */
    readonly leader: string | undefined
    /** Names of the nodes that carry it. */
    readonly replicas: readonly string[]
  }[]
  readonly replicationFactor: number
  /** Names of the nodes that carry some of it and are not there, as far as the answering node knows. */
  readonly missing: readonly string[]
}

export interface NewTopic {
  readonly name: string
  /** 1 to 1,024. */
  readonly partitions: number
  /** 1 to 7, at most the number of nodes. */
  readonly replicationFactor: number
  /** Default: timer. */
  readonly kind?: 'timer' | 'kv' | undefined
}

/** All reject with a SandglassError. */
export interface Topics {
  /**
   * Resolves when every partition has a leader, or at the deadline: what has none then is in the answer. TOPIC_EXISTS,
   * NOT_ENOUGH_NODES (some partition would lack a majority of nodes that are there), INVALID, ...
   */
  create(topic: NewTopic): Promise<TopicDescription>
  list(): Promise<readonly string[]>
  /** TOPIC_NOT_FOUND. */
  describe(name: string): Promise<TopicDescription>
  /** With all messages, for good. TOPIC_NOT_FOUND. */
  delete(name: string): Promise<void>
}

/** `forget`: called with the name of a topic that is gone. */
export function createTopics(caller: Caller, forget: (topic: string) => void): Topics {
  return {
    async create(topic) {
      checkNewTopic(topic)
      const { name, partitions, replicationFactor, kind } = topic
      const request = { name, partitions, replicationFactor, kind: kind === 'kv' ? TopicKind.KV : TopicKind.TIMER }
      return describe(await caller.call('Topics', 'CreateTopic', request, { mutating: true }))
    },
    async list() {
      return (await caller.call('Topics', 'ListTopics', {}, { mutating: false })).topics
    },
    async describe(name) {
      checkName(name, 'name', { reserved: true })
      return describe(await caller.call('Topics', 'DescribeTopic', { name }, { mutating: false }))
    },
    async delete(name) {
      checkName(name, 'name', { reserved: true })
      await caller.call('Topics', 'DeleteTopic', { name }, { mutating: true })
      forget(name)
    },
  }
}

function checkNewTopic(topic: NewTopic): void {
  checkObject(topic, 'topic')
  checkName(topic.name, 'name', { reserved: false })
  checkWhole(topic.partitions, 'partitions', { min: 1, max: PARTITIONS_MAX })
  checkWhole(topic.replicationFactor, 'replicationFactor', { min: 1, max: REPLICATION_FACTOR_MAX })
  if (!KINDS.includes(topic.kind)) throw invalid('kind', 'Cannot take kind: neither timer nor kv')
}

const KINDS: readonly unknown[] = ['timer', 'kv', undefined]

function describe(topic: Topic): TopicDescription {
  return {
    name: topic.name,
    kind: topic.kind === TopicKind.KV ? 'kv' : 'timer',
    partitions: topic.partitions.map(({ id, leader, replicas }) => ({
      id,
      leader: leader === '' ? undefined : leader,
      replicas,
    })),
    replicationFactor: topic.replicationFactor,
    missing: topic.missing,
  }
}
