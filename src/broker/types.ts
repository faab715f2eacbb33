/** The broker as the composition root and the services see it. */
import type { Env } from '../base/env.ts'
import type { GroupId } from '../base/ids.ts'
import type { BrokerConfig, BrokerEvent } from './config.ts'
import type { Directory, PartitionInfo } from './directory.ts'
import type { DispatchMemory } from './dispatcher/memory/dispatch-memory.ts'
import type { Partition } from './partition.ts'
import type { Router } from './router.ts'
import type { TopicStats } from './stats.ts'
import type { TimerHandle } from './timer-handle.ts'

export interface BrokerOptions {
  readonly env: Env
  readonly directory: Directory
  readonly config: BrokerConfig
  /** What its dispatchers share; by default within the bounds of base/limits.ts. */
  readonly memory?: DispatchMemory
  readonly onEvent?: (event: BrokerEvent) => void
}

export interface BrokerStats {
  readonly topics: ReadonlyMap<string, TopicStats>
  /** Partitions this node leads. */
  readonly leading: number
  /** Largest distance between a leader's time and the wall clock, ms, signed (wall minus leader's time). */
  readonly clockGapMs: number
  readonly proposals: { readonly applied: number; readonly refused: number; readonly unknown: number }
}

export interface Broker {
  readonly router: Router
  readonly config: BrokerConfig
  /** A timer partition of this node begins; the broker observes it until `detachGroup`. */
  attachGroup(partition: PartitionInfo, handle: TimerHandle): void
  detachGroup(group: GroupId): void
  /** Every timer partition with a replica here. */
  partitions(): Iterable<Partition>
  /** A forward step of the wall clock that a majority of peers confirms: leaders follow it at once. */
  followForwardStep(wallMs: number): void
  /** Everything counted here, gathered step by step: a step is little work, whoever drives them pauses between two. */
  survey(): Generator<void, BrokerStats>
  /** Wall clock minus leader's time of each partition led here, ms; as they are when they are asked for. */
  clockGaps(): Iterable<number>
  /** Ends every session with SHUTTING_DOWN and refuses what comes after. Idempotent. */
  close(): void
}
