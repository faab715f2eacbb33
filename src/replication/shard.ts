/** What the replicas of one shard share, and how a replica speaks to the shard. */
import type { Env } from '../base/env.ts'
import type { GroupId, NodeId } from '../base/ids.ts'
import type { StateStore } from '../storage/state/types.ts'
import type { Wal } from '../storage/wal/types.ts'
import type { GroupClock } from './clocks/group-clock.ts'
import type { ReplicationEvent } from './events.ts'
import type { RefusalReason } from './group.ts'
import type { JobSlots } from './job-slots.ts'
import type { ReplicationLimits, Timing } from './options.ts'
import type { Outbox } from './outbox.ts'
import type { ProposalCounts } from './proposals.ts'
import type { SnapshotSender } from './snapshot-sender.ts'

export interface Shard {
  readonly env: Env
  readonly wal: Wal
  readonly state: StateStore
  readonly timing: Timing
  readonly limits: ReplicationLimits
  readonly slots: JobSlots
  readonly outbox: Outbox
  readonly snapshots: SnapshotSender
  readonly counts: ProposalCounts
  /** Wall clock of a group whose voters are on `nodes`. */
  clockOf(nodes: () => readonly NodeId[]): GroupClock
  /** The replica has something to do: it is visited at the end of this turn. */
  mark(replica: Turnable): void
  /** The replica of the group sees another leader than before, or leads and is ready, or its members moved. */
  changed(group: GroupId): void
  /** A message was not stepped: its sender is not known here, or its term too far ahead. */
  dropped(): void
  /** The replica of the group fell asleep or woke up. */
  turned(group: GroupId): void
  /** Ticks since anything was heard of the node. */
  silentTicks(node: NodeId): number
  /** Why no replica of the shard takes a proposal now; undefined when they do. */
  refusal(): RefusalReason | undefined
  fatal(error: unknown): void
  event(event: ReplicationEvent): void
}

/** A replica as the turn loop sees it. */
export interface Turnable {
  /** Takes what the core has to say: messages to the outbox, entries to the log, committed ones to apply. */
  collect(): void
  /** Applies until nothing waits or `enough` says so. */
  apply(enough: () => boolean): void
  /** So many passed in which this process did not run: time is counted, nothing is done about it before the next tick. */
  missTicks(ticks: number): void
  tick(): void
}
