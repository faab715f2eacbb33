/** The broker as the composition root and the services see it: what it is given, what it tells. */
import type { Env } from '../base/env.ts'
import type { GroupId } from '../base/ids.ts'
import type { GroupHandle } from '../replication/group.ts'
import type { TimerEffect, TimerReply } from '../views/timer/commands.ts'
import type { TimerQueries } from '../views/timer/queries.ts'
import type { View } from '../views/view.ts'
import type { Directory, PartitionInfo } from './directory.ts'
import type { Router } from './router.ts'
import type { TopicStats } from './stats.ts'

/** A timer view as the broker uses it. */
export type TimerPartitionView = View<TimerReply, TimerEffect> & TimerQueries
export type TimerHandle = GroupHandle<TimerReply, TimerEffect, TimerPartitionView>

export interface BrokerConfig {
  /** Lease of a subscriber that names none, ms. */
  readonly leaseMs: number
  /** A stream that is gone keeps its leases this long, ms. */
  readonly reattachMs: number
  readonly maxClockSkewMs: number
}

export type BrokerEvent =
  | { readonly type: 'leaderGained'; readonly topic: string; readonly partition: number; readonly term: number }
  | { readonly type: 'leaderLost'; readonly topic: string; readonly partition: number }
  /** Promise P2 broken: must never happen. */
  | { readonly type: 'early'; readonly topic: string; readonly partition: number; readonly byMs: number }

export interface BrokerOptions {
  readonly env: Env
  readonly directory: Directory
  readonly config: BrokerConfig
  /** Called per first delivery: hand-out time minus due time, ms. */
  readonly onLateness?: (topic: string, latenessMs: number) => void
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
  /** A forward step of the wall clock that a majority of peers confirms: leaders follow it at once. */
  followForwardStep(wallMs: number): void
  stats(): BrokerStats
  /** Ends every session with SHUTTING_DOWN and refuses what comes after. Idempotent. */
  close(): void
}
