/** Builds the core of a replica: over its durable log, with the shard's timing and bounds, from where it stood. */
import type { ReplicaId } from '../base/ids.ts'
import { INFLIGHT_BYTES_MAX } from '../base/limits.ts'
import type { ConfState, SnapshotMeta } from '../base/log-entry.ts'
import { RaftGroup } from '../raft/raft.ts'
import type { LogStorage, RaftConfig } from '../raft/types.ts'
import type { GroupSpec } from './group.ts'
import { LogView } from './log-view.ts'
import type { Recovered } from './recovery.ts'
import type { Shard } from './shard.ts'

const NOBODY: ConfState = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false }
/** Committed entries handed over at once; the core gives no more before they are applied. */
const PULSES_PER_SILENCE = 3
const APPLY_BYTES_MAX = 4 * 2 ** 20

export function electionTicks({ timing }: Pick<Shard, 'timing'>): number {
  return Math.max(2, Math.round(timing.electionMs / timing.tickMs))
}

export function heartbeatTicks({ timing }: Pick<Shard, 'timing'>): number {
  return Math.max(1, Math.round(timing.heartbeatMs / timing.tickMs))
}

/** Between two signs of life of a node: about three in the time after which it counts as silent. */
export function pulseTicks(shard: Pick<Shard, 'timing'>): number {
  return Math.max(1, Math.round(electionTicks(shard) / PULSES_PER_SILENCE))
}

export interface CoreHost {
  /** What can be sent to a follower now, if it reaches as far as asked. */
  snapshot(atLeast: number): SnapshotMeta | undefined
  /** Ticks since anything was heard of the node of the replica. */
  silentTicks(replica: ReplicaId): number
}

export function createCore(
  spec: GroupSpec,
  shard: Pick<Shard, 'env' | 'timing' | 'limits' | 'wal'>,
  recovered: Recovered,
  host: CoreHost,
): RaftGroup {
  const { applied: index, term } = recovered.meta
  const storage = new LogView(shard.wal, spec.group, { index, term }, (atLeast) => host.snapshot(atLeast))
  return new RaftGroup(raftConfig(spec, shard, recovered, storage, host))
}

function raftConfig(
  spec: GroupSpec,
  shard: Pick<Shard, 'env' | 'timing' | 'limits'>,
  { meta, hard, lostBefore }: Recovered,
  storage: LogStorage,
  host: CoreHost,
): RaftConfig {
  const { env, timing, limits } = shard
  return {
    id: spec.replica,
    storage,
    ...(hard !== undefined && { hard }),
    // Its members are known only from the snapshot that replaces a lost state.
    confState: lostBefore === undefined ? meta.confState : NOBODY,
    applied: lostBefore?.index ?? meta.applied,
    needsSnapshot: lostBefore !== undefined,
    electionTicks: electionTicks(shard),
    heartbeatTicks: heartbeatTicks(shard),
    preVote: true,
    checkQuorum: true,
    stepDownOnRemoval: true,
    maxBytesPerMessage: limits.appendBytes,
    maxInflightMessages: limits.inflightAppends,
    maxInflightBytes: INFLIGHT_BYTES_MAX,
    maxUncommittedBytes: limits.uncommittedBytes,
    maxCommittedBytesPerReady: APPLY_BYTES_MAX,
    ...(timing.idleMs > 0 && {
      quiescence: {
        idleTicks: Math.max(1, Math.round(timing.idleMs / timing.tickMs)),
        silentTicks: (replica) => host.silentTicks(replica),
      },
    }),
    random: (bound) => Math.floor(env.random() * bound),
  }
}
