/**
 * What the broker and the services ask about the cluster: topics, nodes, leaders. `node/` implements it on the catalog
 * replica and the peers' talk; answers are this node's knowledge and may be old until `refresh` resolves.
 */
import { SandglassError } from '../base/errors.ts'
import type { GroupId, NodeId, ReplicaId } from '../base/ids.ts'

export interface PartitionInfo {
  readonly topic: string
  readonly id: number
  readonly group: GroupId
  readonly replicas: readonly { readonly replica: ReplicaId; readonly node: NodeId }[]
}

export interface TopicInfo {
  readonly name: string
  readonly kind: 'timer' | 'kv'
  readonly replicationFactor: number
  readonly partitions: readonly PartitionInfo[]
}

export interface NodeInfo {
  readonly id: NodeId
  readonly name: string
  /** Address of its public port, `host:port`. */
  readonly grpc: string
  readonly alive: boolean
  readonly version: string
}

export interface TopicSpec {
  readonly name: string
  readonly partitions: number
  readonly replicationFactor: number
  readonly kind: 'timer' | 'kv'
}

export interface Directory {
  readonly self: NodeId
  readonly clusterId: string
  topic(name: string): TopicInfo | undefined
  topics(): readonly TopicInfo[]
  node(id: NodeId): NodeInfo | undefined
  nodes(): readonly NodeInfo[]
  /** Best known leader of a group: own raft status, else what the peers said last. 0 unknown. */
  leaderOf(group: GroupId): NodeId
  /** Catalog changes: linearizable, forwarded to the catalog leader if it is not this node. `deadlineMs` is time left, ms. */
  createTopic(spec: TopicSpec, deadlineMs: number): Promise<TopicInfo>
  deleteTopic(name: string, deadlineMs: number): Promise<void>
  /** After a miss: waits until this node's catalog replica is as new as the catalog was at the call. */
  refresh(deadlineMs: number): Promise<void>
  transferLeader(group: GroupId, to: NodeId): void
  /** Topics, nodes, their being alive, or a known leader changed. */
  onChange(listener: () => void): void
}

/** The catalog does not have it, or not any more. */
export function topicNotFound(name: string): SandglassError {
  return new SandglassError('TOPIC_NOT_FOUND', `Cannot find topic ${name}: it does not exist`)
}
