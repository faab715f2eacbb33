/**
 * Replicas that are gone for good: removed ones, and those whose log was damaged. Neither ever votes or acknowledges
 * again; a group comes back to this node only under a higher replica id.
 */
import { SandglassError } from '../base/errors.ts'
import type { GroupId, ReplicaId } from '../base/ids.ts'
import type { WalDamage } from '../storage/wal/types.ts'
import type { GroupSpec } from './group.ts'
import type { MultiRaftOptions } from './options.ts'
import type { Shard } from './shard.ts'

/**
 * Rejects for a replica that may not start again. After damage that may have hit groups which the log no longer knows,
 * a replica without log, unless it came later, is one of them: it gets its tombstone here.
 */
export async function refuseLostReplica(
  { group, replica }: GroupSpec,
  shard: Shard,
  { damage = [], lostBelow = () => Number.POSITIVE_INFINITY }: Pick<MultiRaftOptions, 'damage' | 'lostBelow'>,
): Promise<void> {
  const { wal } = shard
  const named = damage.find(({ groups }) => groups.includes(group))
  const anywhere = replica < lostBelow() ? damage.find(({ everyGroup }) => everyGroup) : undefined
  const gone = wal.tombstone(group)
  if (gone === undefined && anywhere !== undefined && wal.group(group) === undefined) {
    await tombstone(shard, group, replica)
    throw lost(shard, group, anywhere)
  }
  if (gone === undefined || replica > gone) return
  if (named !== undefined) throw lost(shard, group, named)
  throw new SandglassError('INTERNAL', `Cannot start replica ${replica} of group ${group}: it was removed`)
}

/** Discards what is left of the group's replicas with ids below `below`: tombstone first, then the state. */
export async function discardReplica(shard: Shard, group: GroupId, below: ReplicaId): Promise<void> {
  const { wal, state } = shard
  const log = wal.group(group)
  if (log !== undefined) {
    if (log.replica === below) return
    if (log.replica > below) {
      throw new SandglassError('INTERNAL', `Cannot start replica ${below} of group ${group}: ${log.replica} is newer`)
    }
    await tombstone(shard, group, log.replica)
    shard.event({ type: 'discarded', group, replica: log.replica })
  } else if (below !== Number.POSITIVE_INFINITY) {
    return
  }
  await state.remove(group)
}

function tombstone({ wal }: Shard, group: GroupId, replica: ReplicaId): Promise<void> {
  return new Promise((resolve) => wal.append({ group, replica, removed: true }, resolve))
}

function lost({ event }: Shard, group: GroupId, { file, offset, reason }: WalDamage): ReplicaLostError {
  event({ type: 'damaged', group, file, offset })
  return new ReplicaLostError(`Cannot start group ${group}: its log is damaged (${file}, ${offset}: ${reason})`)
}

/** This replica will never start again; one with a later id may. */
export class ReplicaLostError extends SandglassError {
  constructor(message: string) {
    super('INTERNAL', message)
  }
}
