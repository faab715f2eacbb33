/** Opens one replica: its checkpoint, its log, its view, and then its core. */
import { SandglassError } from '../base/errors.ts'
import type { GroupState } from '../storage/state/types.ts'
import type { View } from '../views/view.ts'
import type { GroupSpec } from './group.ts'
import { recover } from './recovery.ts'
import { Replica } from './replica.ts'
import type { Shard } from './shard.ts'

/** Rejects when log and checkpoint do not fit together, or the state is damaged and the log cannot replace it. */
export async function openReplica<R, E, V extends View<R, E>>(
  spec: GroupSpec,
  createView: () => V,
  shard: Shard,
): Promise<Replica<R, E, V>> {
  const state = await openState(spec, shard)
  const recovered = await recover(spec, shard.wal, state.meta)
  const view = createView()
  await view.load(state)
  return new Replica<R, E, V>({ spec, view, state, shard, recovered })
}

/** A damaged state is made anew from the log, if that still begins at the first entry. */
async function openState({ group }: GroupSpec, { state, wal, event }: Shard): Promise<GroupState> {
  const opened = await state.group(group)
  if (opened.damage === undefined) return opened
  event({ type: 'stateDamaged', group, reason: opened.damage })
  const log = wal.group(group)
  if (log === undefined || log.base.index > 0) {
    throw new SandglassError('INTERNAL', `Cannot start group ${group}: its state is damaged (${opened.damage})`)
  }
  await state.remove(group)
  return state.group(group)
}
