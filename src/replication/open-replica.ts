/** Opens one replica: its checkpoint, its log, its view, and then its core. */
import { SandglassError } from '../base/errors.ts'
import type { CheckpointMeta, GroupState } from '../storage/state/types.ts'
import type { GroupLog } from '../storage/wal/types.ts'
import type { View } from '../views/view.ts'
import type { GroupSpec } from './group.ts'
import { type Recovered, recover, recoverLog } from './recovery.ts'
import { Replica } from './replica.ts'
import type { Shard } from './shard.ts'

interface Opened {
  readonly state: GroupState
  readonly recovered: Recovered
}

/** Rejects when log and checkpoint do not fit together, or the state is damaged and neither log nor leader can replace it. */
export function openReplica<R, E, V extends View<R, E>>(
  spec: GroupSpec,
  createView: () => V,
  shard: Shard,
): Promise<Replica<R, E, V>> {
  return tryOpen<R, E, V>(spec, createView, shard, false)
}

/** `again`: the first read of a state has shown that it is damaged. */
async function tryOpen<R, E, V extends View<R, E>>(
  spec: GroupSpec,
  createView: () => V,
  shard: Shard,
  again: boolean,
): Promise<Replica<R, E, V>> {
  const { state, recovered } = await open(spec, shard)
  const view = createView()
  if (recovered.lostBefore === undefined) {
    try {
      const adopt = await view.load(state, recovered.meta.lastAt)
      adopt()
    } catch (error) {
      if (state.damage === undefined || again) throw error
      // From now on the state says so itself.
      return tryOpen<R, E, V>(spec, createView, shard, true)
    }
  }
  return new Replica<R, E, V>({ spec, view, state, shard, recovered })
}

/**
 * A lost state is made anew from the log, if that still begins at the first entry; otherwise from a leader's snapshot, and
 * until it is installed what lies on disk is left as it is.
 */
async function open(spec: GroupSpec, { state: store, wal, event }: Shard): Promise<Opened> {
  const { group } = spec
  const state = await store.group(group)
  const log = wal.group(group)
  const damage = state.damage ?? lostCheckpoint(state.meta, log)
  if (damage === undefined) return { state, recovered: await recover(spec, wal, state.meta) }
  // A group that is new here is no news, though a damaged file may have had room for one of its name.
  if (log !== undefined || state.meta !== undefined) event({ type: 'stateDamaged', group, reason: damage })
  // A replica without a log has promised nothing yet: whatever it may have had, it can begin again.
  if (log === undefined || log.base.index === 0) {
    await store.remove(group)
    const fresh = await store.group(group)
    return { state: fresh, recovered: await recover(spec, wal, fresh.meta) }
  }
  const recovered = recoverLog(spec, wal)
  if (recovered !== undefined) return { state, recovered }
  throw new SandglassError('INTERNAL', `Cannot start group ${group}: its state is damaged (${damage})`)
}

/** The log forgets only what a checkpoint holds, so that one which ends earlier is not the newest there was. */
function lostCheckpoint(meta: CheckpointMeta | undefined, log: GroupLog | undefined): string | undefined {
  const base = log?.base.index ?? 0
  if (meta === undefined) return base > 0 ? 'its checkpoint is gone' : undefined
  return base > meta.applied ? `its checkpoint is at ${meta.applied}, its log begins behind ${base}` : undefined
}
