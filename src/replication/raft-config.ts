/** The core's configuration, from the shard's timing and bounds and what the replica starts from. */
import { INFLIGHT_APPENDS_MAX, INFLIGHT_BYTES_MAX, PEER_FRAME_BYTES } from '../base/limits.ts'
import type { LogStorage, RaftConfig } from '../raft/types.ts'
import type { GroupSpec } from './group.ts'
import type { Recovered } from './recovery.ts'
import type { Shard } from './shard.ts'

/** Committed entries handed over at once; the core gives no more before they are applied. */
const APPLY_BYTES_MAX = 4 * 2 ** 20
/** Room for the heads of frame and envelope. */
const FRAME_HEAD_BYTES = 1024

export function electionTicks({ timing }: Pick<Shard, 'timing'>): number {
  return Math.max(2, Math.round(timing.electionMs / timing.tickMs))
}

export function raftConfig(
  spec: GroupSpec,
  shard: Pick<Shard, 'env' | 'timing' | 'limits'>,
  { meta, hard }: Recovered,
  storage: LogStorage,
): RaftConfig {
  const { env, timing, limits } = shard
  return {
    id: spec.replica,
    storage,
    ...(hard !== undefined && { hard }),
    confState: meta.confState,
    applied: meta.applied,
    electionTicks: electionTicks(shard),
    heartbeatTicks: Math.max(1, Math.round(timing.heartbeatMs / timing.tickMs)),
    preVote: true,
    checkQuorum: true,
    stepDownOnRemoval: true,
    maxBytesPerMessage: PEER_FRAME_BYTES - FRAME_HEAD_BYTES,
    maxInflightMessages: INFLIGHT_APPENDS_MAX,
    maxInflightBytes: INFLIGHT_BYTES_MAX,
    maxUncommittedBytes: limits.uncommittedBytes,
    maxCommittedBytesPerReady: APPLY_BYTES_MAX,
    random: (bound) => Math.floor(env.random() * bound),
  }
}
