/** One life of a node: what runs between a boot and an end. */
import type { GroupId, NodeId } from '../../src/base/ids.ts'
import type { Partition } from '../../src/broker/partition.ts'
import type { Broker } from '../../src/broker/types.ts'
import type { MultiRaft } from '../../src/replication/multi-raft.ts'
import type { Looker } from '../raft/simulation/core-checker.ts'
import type { Server } from './clients.ts'
import type { SimEnv } from './sim-env.ts'

export class Process implements Server {
  readonly node: NodeId
  readonly env: SimEnv
  readonly life: number
  readonly lookers = new Map<GroupId, Looker>()
  multi: MultiRaft | undefined
  broker: Broker | undefined
  /** Every replica that was wanted here has started. */
  started = false
  /** On its way out in order. */
  stopping = false

  constructor(node: NodeId, env: SimEnv, life: number) {
    this.node = node
    this.env = env
    this.life = life
  }

  partition(group: GroupId): Partition | undefined {
    for (const partition of this.broker?.partitions() ?? []) if (partition.info.group === group) return partition
    return undefined
  }
}
