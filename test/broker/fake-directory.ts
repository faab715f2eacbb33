/** A directory of one topic with one partition, or of what a test adds. */
import { SandglassError } from '../../src/base/errors.ts'
import type { Directory, NodeInfo, PartitionInfo, TopicInfo } from '../../src/broker/directory.ts'

export const PARTITION: PartitionInfo = {
  topic: 'orders',
  id: 0,
  group: 1001,
  replicas: [{ replica: 1002, node: 1 }],
}

export class FakeDirectory implements Directory {
  readonly self: number
  readonly clusterId = 'cluster-1'
  readonly known = new Map<string, TopicInfo>([
    ['orders', { name: 'orders', kind: 'timer', replicationFactor: 1, partitions: [PARTITION] }],
  ])
  /** Topics that only a refresh brings. */
  readonly unseen = new Map<string, TopicInfo>()
  readonly nodeList: NodeInfo[] = [{ id: 1, name: 'n1', grpc: '127.0.0.1:1', alive: true, version: '0.1.0' }]
  leader = 1
  readonly #listeners: (() => void)[] = []

  constructor(self = 1) {
    this.self = self
  }

  topic(name: string): TopicInfo | undefined {
    return this.known.get(name)
  }

  topics(): readonly TopicInfo[] {
    return [...this.known.values()]
  }

  node(id: number): NodeInfo | undefined {
    return this.nodeList.find((node) => node.id === id)
  }

  nodes(): readonly NodeInfo[] {
    return this.nodeList
  }

  leaderOf(): number {
    return this.leader
  }

  async createTopic(spec: { name: string; replicationFactor: number; kind: 'timer' | 'kv' }): Promise<TopicInfo> {
    if (this.known.has(spec.name))
      throw new SandglassError('TOPIC_EXISTS', `Cannot create topic ${spec.name}: it exists`)
    const { name, kind, replicationFactor } = spec
    const topic: TopicInfo = { name, kind, replicationFactor, partitions: [{ ...PARTITION, topic: name }] }
    this.known.set(name, topic)
    return topic
  }

  async deleteTopic(name: string): Promise<void> {
    this.known.delete(name)
    this.#changed()
  }

  async refresh(): Promise<void> {
    for (const [name, topic] of this.unseen) this.known.set(name, topic)
  }

  transferLeader(_group: number, to: number): void {
    this.setLeader(to)
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  setLeader(leader: number): void {
    this.leader = leader
    this.#changed()
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}
