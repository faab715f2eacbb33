/** What a shard of replicas is built from: its borders (time, log, state, network) and its bounds. */
import type { Env } from '../base/env.ts'
import type { NodeId, ReplicaId } from '../base/ids.ts'
import {
  CHECKPOINT_BYTES,
  ENTRY_BYTES_MAX,
  IDLE_MS,
  INFLIGHT_APPENDS_MAX,
  MEMORY_BYTES,
  MEMORY_RELIEF_BYTES,
  PEER_FRAME_BYTES,
  SEGMENT_BYTES,
  SLICE_MS,
  SNAPSHOT_BYTES_PER_SECOND,
  UNCOMMITTED_BYTES_MAX,
  WAL_RETAIN_BYTES,
} from '../base/limits.ts'
import type { StateStore } from '../storage/state/types.ts'
import type { Wal, WalDamage } from '../storage/wal/types.ts'
import type { ReplicationEvent } from './events.ts'
import type { Transport } from './transport.ts'

/** Milliseconds by the monotonic clock. */
export interface Timing {
  readonly tickMs: number
  readonly heartbeatMs: number
  /** Elections start after a random time in [electionMs, 2 * electionMs) without a leader; CheckQuorum as well. */
  readonly electionMs: number
  /** A group that nobody has asked for anything for so long sleeps. 0: never. */
  readonly idleMs: number
}

export const DEFAULT_TIMING: Timing = { tickMs: 50, heartbeatMs: 100, electionMs: 400, idleMs: IDLE_MS }

export interface ReplicationLimits {
  /** Bytes of unsaved layers at which a checkpoint starts. */
  readonly checkpointBytes: number
  /** Bytes of unsaved layers at which a replica stops applying until its checkpoint ends. */
  readonly layerBytesMax: number
  /** Bytes of log applied since the last checkpoint at which the next one starts: bounds replay. */
  readonly checkpointLogBytes: number
  /** Unsaved layers of all replicas together, at which leaders refuse. */
  readonly memoryBytes: number
  /** Unsaved layers of all replicas together, above which the largest are saved before their own bound. */
  readonly memoryReliefBytes: number
  readonly uncommittedBytes: number
  /** Entries of one append message; at least one entry goes, however large. */
  readonly appendBytes: number
  /** Append messages under way to one follower. */
  readonly inflightAppends: number
  /** Bytes handed to the log and not yet durable, all groups: proposals beyond are refused. */
  readonly walPendingBytes: number
  /** Log kept for a follower that lags; one further behind gets a snapshot. */
  readonly walRetainBytes: number
  readonly snapshotBytesPerSecond: number
  readonly snapshotChunkBytes: number
  /** Apply gives the event loop back after this long. */
  readonly sliceMs: number
  /** Reads waiting for their quorum round or for apply, per group. */
  readonly readsMax: number
}

/** Room for the heads of frame and envelope. */
const FRAME_HEAD_BYTES = 1024

export const DEFAULT_LIMITS: ReplicationLimits = {
  checkpointBytes: CHECKPOINT_BYTES / 2,
  layerBytesMax: 2 * CHECKPOINT_BYTES,
  checkpointLogBytes: SEGMENT_BYTES,
  memoryBytes: MEMORY_BYTES,
  memoryReliefBytes: MEMORY_RELIEF_BYTES,
  uncommittedBytes: UNCOMMITTED_BYTES_MAX,
  appendBytes: PEER_FRAME_BYTES - FRAME_HEAD_BYTES,
  inflightAppends: INFLIGHT_APPENDS_MAX,
  walPendingBytes: 2 * UNCOMMITTED_BYTES_MAX,
  walRetainBytes: WAL_RETAIN_BYTES,
  snapshotBytesPerSecond: SNAPSHOT_BYTES_PER_SECOND,
  snapshotChunkBytes: ENTRY_BYTES_MAX / 4,
  sliceMs: SLICE_MS,
  readsMax: 10_000,
}

export interface MultiRaftOptions {
  readonly env: Env
  readonly node: NodeId
  readonly wal: Wal
  /** From opening the log: replicas of these groups are refused until they come back under a new id. */
  readonly damage?: readonly WalDamage[]
  /** Replicas from this id on came after all damage of the log. By default none did. */
  readonly lostBelow?: () => ReplicaId
  readonly state: StateStore
  readonly transport: Transport
  readonly timing?: Partial<Timing>
  readonly limits?: Partial<ReplicationLimits>
  /** Distance from the median of the clocks beyond which this node gives up leaderships. */
  readonly maxClockSkewMs?: number
  /** A broken invariant or a failure that leaves memory and disk apart: the process must stop. */
  readonly onFatal: (error: Error) => void
  readonly onEvent?: (event: ReplicationEvent) => void
}
