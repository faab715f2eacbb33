/** Settings of the broker and what it tells; the composition root gives both. */

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
