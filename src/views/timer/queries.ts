/**
 * What the leader's dispatcher and the read methods ask a timer view, outside apply. All answers are of the applied
 * state of this replica; nothing here changes it. What is answered at once is answered from memory; what needs rows takes
 * a reader and answers later, and tells damage where it is met.
 */
import type { Reader } from '../view.ts'
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
  readonly sessionCount: number
  sessions(): readonly SessionInfo[]
  /** How many messages the session holds; undefined for one that is not attached. */
  leasedBy(session: string): number | undefined
  /**
   * Waiting ones with notBefore <= until that are in memory, in order of (notBefore, index), at most `limit`. Many
   * redeliveries far ahead lie in the store; `cold` says whether some of those may be due, and `thaw` reads them back.
   */
  ready(until: number, limit: number): readonly Waiting[]
  /** How many `ready` would give. */
  readyCount(until: number, limit: number): number
  /** Of the redeliveries in the store, how many may be due by `until` (at least those that are). */
  cold(until: number): number
  /** Whether `thaw` would read anything: some may be due, and there is room. */
  thaws(until: number): boolean
  /** Reads some of them back, the earliest ones. Rejects when their rows cannot be read. */
  thaw(reader: Reader, until: number): Promise<void>
  /** The earliest notBefore of a waiting one, or somewhat before it. */
  nextReadyAt(): number | undefined
  /** Leases with deadline <= until, by deadline, at most `limit`. */
  expired(until: number, limit: number): readonly Lease[]
  nextDeadline(): number | undefined
  leases(session?: string): Iterable<Lease>
  /** 'done' when at or below the cursor and not outstanding. Rejects when rows cannot be read. */
  stateOf(reader: Reader, position: Position): Promise<'done' | 'leased' | 'waiting' | 'ahead'>
  /** Why the last nack gave the message back; undefined without a reason, and after its next delivery. Rejects likewise. */
  reason(reader: Reader, index: number): Promise<string | undefined>
}

export interface TimerQueries {
  readonly lastIndex: number
  /** Messages stored and not deleted, over all channels. */
  readonly messageCount: number
  channels(): readonly string[]
  /** Messages of a channel stored and not deleted; 0 for an unknown one. */
  channelMessages(channel: string): number
  /** Messages of the channel above the cursor of its slowest group, of those of which that is known; 0 without any. */
  pending(channel: string): number
  /** Leases of all groups. */
  readonly leaseCount: number
  /** The highest cursor that any group of the channel ever had. */
  firedUpTo(channel: string): Position | undefined
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
  /** How many messages of a channel lie in (after, to], counted up to `limit`. Reads no bodies. */
  count(
    reader: Reader,
    channel: string,
    range: { readonly after: Position; readonly to: Position },
    limit: number,
  ): Promise<number>
  /** Bodies of messages that a channel has: those that make up about `maxBytes`, at least one; damage in its place. */
  bodies(
    reader: Reader,
    channel: string,
    positions: readonly Position[],
    maxBytes: number,
  ): Promise<readonly (Uint8Array | Error)[]>
  /** One message by position, of whatever channel. Rejects when it cannot be read. */
  find(reader: Reader, position: Position): Promise<StoredMessage | undefined>
}
