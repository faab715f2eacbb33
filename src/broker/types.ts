/** Words that all of the broker shares: what it drives, its settings, what it tells. */
import type { GroupHandle } from '../replication/group.ts'
import type { TimerEffect, TimerReply } from '../views/timer/commands.ts'
import type { TimerQueries } from '../views/timer/queries.ts'
import type { View } from '../views/view.ts'

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
  /** The store could not be read ahead; it is tried again. */
  | { readonly type: 'readFailed'; readonly topic: string; readonly partition: number; readonly error: unknown }
  /** Promise P2 broken: must never happen. */
  | { readonly type: 'early'; readonly topic: string; readonly partition: number; readonly byMs: number }
