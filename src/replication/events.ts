/** What happened to the replicas of a shard, for logs and metrics. Values only; whoever listens decides what to say. */
import type { GroupId, NodeId, ReplicaId } from '../base/ids.ts'

export type ReplicationEvent =
  | {
      readonly type: 'role'
      readonly group: GroupId
      readonly role: 'follower' | 'candidate' | 'leader'
      readonly term: number
      readonly leader: ReplicaId
    }
  | { readonly type: 'damaged'; readonly group: GroupId; readonly file: string; readonly offset: number }
  | { readonly type: 'stateDamaged'; readonly group: GroupId; readonly reason: string }
  | { readonly type: 'discarded'; readonly group: GroupId; readonly replica: ReplicaId }
  /** A command that this version does not know: the replica stands still until the node is upgraded. */
  | { readonly type: 'halted'; readonly group: GroupId; readonly error: Error }
  | { readonly type: 'checkpointed'; readonly group: GroupId; readonly index: number; readonly ms: number }
  | { readonly type: 'checkpointFailed'; readonly group: GroupId; readonly error: unknown }
  /** The first chunk of one is staged here. */
  | { readonly type: 'snapshotBegun'; readonly group: GroupId; readonly index: number }
  | { readonly type: 'snapshotSent'; readonly group: GroupId; readonly to: NodeId; readonly index: number }
  | { readonly type: 'snapshotFailed'; readonly group: GroupId; readonly to: NodeId; readonly error?: unknown }
  /** More was written behind it than is kept for its receiver, which will need another. */
  | { readonly type: 'snapshotOutrun'; readonly group: GroupId; readonly to: NodeId; readonly index: number }
  | { readonly type: 'snapshotInstalled'; readonly group: GroupId; readonly index: number; readonly ms: number }
  /** Its first frame since this node started, or since it was down. */
  | { readonly type: 'peerUp'; readonly node: NodeId }
  | { readonly type: 'peerDown'; readonly node: NodeId }
  | { readonly type: 'clock'; readonly verdict: 'ok' | 'skewed' | 'unknown'; readonly offsetMs: number }
