/**
 * Commands of the catalog group, what apply answers, and the records it keeps. Names are compared as they are written;
 * ids come from one counter and are never used twice, so a topic made again under its old name has new groups.
 */
import type { ErrorReason } from '../../base/errors.ts'
import type { GroupId, NodeId, ReplicaId } from '../../base/ids.ts'

export type TopicKind = 'timer' | 'kv'

export interface NodeRecord {
  readonly id: NodeId
  readonly name: string
  /** host:port for clients. */
  readonly grpc: string
  /** host:port for other nodes. */
  readonly raft: string
  /** host:port of the side port. */
  readonly http: string
  readonly version: string
}

interface ReplicaPlace {
  readonly replica: ReplicaId
  readonly node: NodeId
}

export interface PartitionRecord {
  readonly topic: string
  readonly id: number
  readonly group: GroupId
  /** The first one is the preferred leader. */
  readonly replicas: readonly ReplicaPlace[]
}

export interface TopicRecord {
  readonly id: number
  readonly name: string
  readonly kind: TopicKind
  readonly replicationFactor: number
  /** Of the command that created it. */
  readonly request: string
  readonly partitions: readonly PartitionRecord[]
}

/** Adds a node, or replaces what is known of it. */
interface RegisterNodeCommand {
  readonly type: 'registerNode'
  readonly node: NodeRecord
}

export interface CreateTopicCommand {
  readonly type: 'createTopic'
  /** 32 hex digits, chosen by whoever asks: the same request again answers the same topic. */
  readonly request: string
  readonly name: string
  readonly kind: TopicKind
  readonly partitions: number
  readonly replicationFactor: number
  /** Nodes that are there, as far as whoever asks knows; undefined: an earlier version asked, which took all of them for it. */
  readonly live?: readonly NodeId[] | undefined
}

/** Deletes this topic, not a later one of the same name. */
export interface DeleteTopicCommand {
  readonly type: 'deleteTopic'
  readonly name: string
  readonly id: number
}

export type CatalogCommand = RegisterNodeCommand | CreateTopicCommand | DeleteTopicCommand

export type CatalogReply =
  | { readonly type: 'nodeRegistered'; readonly changed: boolean }
  | { readonly type: 'topicCreated'; readonly id: number }
  | { readonly type: 'topicDeleted'; readonly id: number }
  /** Nothing changed. `field` names what is at fault for INVALID, else it is empty. */
  | { readonly type: 'refused'; readonly reason: ErrorReason; readonly message: string; readonly field: string }

/** Something is different now: read it from the view. */
export interface CatalogEffect {
  readonly type: 'changed'
}
