/** Builds the checkpointer of a replica: it saves what the replica has applied, and lets go what a leader's followers have. */
import type { RaftGroup } from '../../raft/raft.ts'
import type { GroupState } from '../../storage/state/types.ts'
import type { View } from '../../views/view.ts'
import type { Applier } from '../applier.ts'
import type { GroupSpec } from '../group.ts'
import type { Recovered } from '../recovery.ts'
import type { Shard, Turnable } from '../shard.ts'
import { Checkpointer } from './checkpointer.ts'
import { FollowerNeeds } from './follower-needs.ts'

interface SavedParts<R, E> {
  readonly spec: GroupSpec
  readonly view: View
  readonly state: GroupState
  readonly shard: Shard
  readonly recovered: Recovered
  readonly raft: RaftGroup
  readonly applier: Applier<R, E>
  readonly stopped: () => boolean
}

/** `replica` is visited once a checkpoint has ended. */
export function createCheckpointer<R, E>(parts: SavedParts<R, E>, replica: Turnable): Checkpointer {
  const { spec, view, state, shard, recovered, raft, applier, stopped } = parts
  const { env, wal, limits, timing } = shard
  const needs = new FollowerNeeds(
    {
      ...{ group: spec.group, env, wal, limits, stopped },
      term: () => raft.term,
      progress: () => (stopped() ? [] : raft.progress()),
      silentMs: (node) => shard.silentTicks(node) * timing.tickMs,
      event: (event) => shard.event(event),
      look: () => checkpointer.release(),
    },
    spec.replica,
  )
  const checkpointer: Checkpointer = new Checkpointer({
    ...{ group: spec.group, env, wal, limits, state, view, needs, slots: shard.slots },
    last: recovered.lostBefore === undefined ? state.meta : undefined,
    meta: () => applier.meta,
    frozen: () => applier.checkpointed(),
    ended: () => {
      // The layers may be at their bound again, where nothing is applied that would ask for the next one.
      if (!stopped()) checkpointer.check(applier.logBytes)
      shard.mark(replica)
    },
    onEvent: (event) => shard.event(event),
  })
  // What lies on disk stands for nothing before a snapshot has replaced it.
  if (recovered.lostBefore !== undefined) checkpointer.lose()
  return checkpointer
}
