/**
 * What the leader's dispatcher and the read methods ask a timer view, outside apply. All answers are of the applied
 * state of this replica; nothing here changes it.
 */
import type { Reader, Store } from '../view.ts'
import type { Granted, GroupName, Position } from './commands.ts'

export interface StoredMessage extends Position {
  readonly channel: string
  readonly body: Uint8Array
}

export interface Lease extends Granted {
  readonly session: string
  /** at' from which it may end; Infinity for an endless one. */
  readonly deadline: number
  /** Changes with every deliver and extend of this message: lets the leader keep its monotonic count beside it. */
  readonly leaseMs: number
}

export interface Waiting extends Position {
  /** Redelivered from this time on. */
  readonly notBefore: number
  /** Deliveries so far. */
  readonly count: number
}

export interface SessionInfo {
  readonly consumer: string
  readonly session: string
  readonly leased: number
}

export interface GroupView extends GroupName {
  readonly cursor: Position
  /** Position before the lowest outstanding one; the cursor when nothing is. */
  readonly committed: Position
  /** Counted against OUTSTANDING_MAX: leased, parked, and redeliveries already due. */
  readonly outstanding: number
  readonly leased: number
  /** Waiting for redelivery, now or later. */
  readonly waiting: number
  /** Messages of the channel above the cursor, scheduled or due; undefined for a group that began in their midst. */
  readonly pending: number | undefined
  sessions(): readonly SessionInfo[]
  /**
   * Waiting ones with notBefore <= until, in order of (notBefore, index), at most `limit`. Many redeliveries far ahead lie
   * in the store; the view reads those that are due back through the store it was last applied with.
   */
  ready(until: number, limit: number): readonly Waiting[]
  /** The earliest notBefore of a waiting one. */
  nextReadyAt(): number | undefined
  /** Leases with deadline <= until, by deadline, at most `limit`. */
  expired(until: number, limit: number): readonly Lease[]
  nextDeadline(): number | undefined
  leases(session?: string): Iterable<Lease>
  /** 'done' when at or below the cursor and not outstanding. */
  stateOf(position: Position): 'done' | 'leased' | 'waiting' | 'ahead'
  /** Why the last nack gave the message back; undefined without a reason, and after its next delivery. */
  reason(store: Store, index: number): string | undefined
}

export interface TimerQueries {
  readonly lastIndex: number
  /** Messages stored and not deleted, over all channels. */
  readonly messageCount: number
  channels(): readonly string[]
  /** Messages of a channel stored and not deleted; 0 for an unknown one. */
  channelMessages(channel: string): number
  groups(): Iterable<GroupView>
  group(name: GroupName): GroupView | undefined
  /** Messages of a channel in (after, to], ascending, at most `limit` and about `maxBytes`. Consistent as of the call. */
  scan(
    reader: Reader,
    channel: string,
    range: { readonly after: Position; readonly to: Position },
    limit: number,
    maxBytes: number,
  ): Promise<readonly StoredMessage[]>
  /** One message by position. Synchronous: one point read, or without `channel` up to one for each channel. */
  message(store: Store, position: Position, channel?: string): StoredMessage | undefined
}
