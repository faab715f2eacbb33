/** The replicas of this node as the reconciler moves them: shard, log and broker together. */

import { SandglassError } from '../base/errors.ts'
import { CATALOG_GROUP } from '../base/ids.ts'
import type { Broker } from '../broker/types.ts'
import type { MultiRaft } from '../replication/multi-raft.ts'
import type { Wal } from '../storage/wal/types.ts'
import { createTimerView } from '../views/timer/timer-view.ts'
import type { ReplicaHost } from './catalog/reconciler.ts'

export function createReplicaHost(shard: MultiRaft, wal: Wal, broker: Broker): ReplicaHost {
  return {
    *present() {
      for (const { group, replica } of wal.groups()) {
        if (group !== CATALOG_GROUP) yield { group, replica, running: shard.handle(group) !== undefined }
      }
    },
    async start(spec, partition, kind) {
      if (kind !== 'timer')
        throw new SandglassError('UNSUPPORTED', `Cannot start ${partition.topic}: kind ${kind} is not there yet`)
      broker.attachGroup(partition, await shard.start(spec, createTimerView))
    },
    async remove(group) {
      broker.detachGroup(group)
      await shard.remove(group)
    },
  }
}
