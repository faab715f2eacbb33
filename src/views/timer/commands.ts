/**
 * Commands of a timer partition, what apply answers, and the hints it gives the leader: the border between the broker
 * (proposes, dispatches) and the timer view (means). Times are ms UTC in the leader's time; `index` is the partition's
 * message counter, never Raft's. A position is (due, index) and sorts in that order.
 */

export interface Position {
  readonly due: number
  readonly index: number
}

/** A message as produced. `body` is the encoded sandglass.v1.Body (key, value, headers), kept and delivered as it is. */
export interface NewMessage {
  readonly channel: string
  readonly body: Uint8Array
  /** Relative to at' (never early whatever the producer's clock says), or absolute; neither means now. */
  readonly delayMs?: number
  readonly deliverAt?: number
}

export interface ProducerSequence {
  /** Up to 64 bytes as latin1 text. */
  readonly producer: string
  /** Sequence of the first message; the others follow without a gap. From 1. */
  readonly first: number
}

export interface ProduceCommand {
  readonly type: 'produce'
  readonly sequence?: ProducerSequence
  readonly messages: readonly NewMessage[]
}

export interface GroupName {
  readonly channel: string
  readonly group: string
}

export type GroupStart =
  | { readonly type: 'earliest' }
  | { readonly type: 'latest' }
  | { readonly type: 'position'; readonly position: Position }

/** A delivery by identity: stale when the fence is not the current one. */
export interface Held {
  readonly index: number
  readonly fence: number
}

/**
 * Registers a session of a consumer; creates the group; replaces an older session of the same name (its leases return).
 * With `holds`, a session that was replaced meanwhile is refused with 'stale': it must not take the name back.
 */
export interface AttachCommand extends GroupName {
  readonly type: 'attach'
  readonly consumer: string
  /** 32 hex digits. */
  readonly session: string
  readonly start: GroupStart
  /** What a reattaching stream still holds; leases of this session that are not listed return at once. Absent: new session. */
  readonly holds?: readonly Held[]
}

/** The session is gone: its leases return at once (the leader waited as long as it had to). */
export interface DetachCommand extends GroupName {
  readonly type: 'detach'
  readonly session: string
}

export interface DeliverRun {
  readonly session: string
  /** Infinity: an endless lease. */
  readonly leaseMs: number
  /** New ones in (after, to], ascending. */
  readonly positions: readonly Position[]
  /** Redeliveries: message indexes that are outstanding and waiting. */
  readonly again: readonly number[]
}

export interface DeliverCommand extends GroupName {
  readonly type: 'deliver'
  /** The cursor it was computed from; refused if the group's cursor differs or `to.due` lies after at'. */
  readonly after: Position
  readonly to: Position
  readonly runs: readonly DeliverRun[]
  /** Positions in (after, to] passed over on purpose: they become waiting without a delivery. */
  readonly parked: readonly Position[]
}

export interface AckCommand extends GroupName {
  readonly type: 'ack'
  readonly items: readonly Held[]
}

export interface NackItem extends Held {
  readonly delayMs: number
  /** Redelivered at its own place in the order, as if its lease had run out; delayMs is then 0. */
  readonly keepPlace: boolean
  /** At most 256 characters, kept with the message until its next delivery. */
  readonly reason: string
}

export interface NackCommand extends GroupName {
  readonly type: 'nack'
  readonly items: readonly NackItem[]
}

export interface ExtendCommand extends GroupName {
  readonly type: 'extend'
  readonly leaseMs: number
  readonly items: readonly Held[]
}

/** Ends leases; each is refused if its deadline moved since. */
export interface ExpireCommand extends GroupName {
  readonly type: 'expire'
  readonly items: readonly (Held & { readonly deadline: number })[]
}

export type TimerCommand =
  | ProduceCommand
  | AttachCommand
  | DetachCommand
  | DeliverCommand
  | AckCommand
  | NackCommand
  | ExtendCommand
  | ExpireCommand

/** One delivery as apply granted it. */
export interface Granted {
  readonly due: number
  readonly index: number
  readonly fence: number
  /** 1 for the first delivery to this group. */
  readonly count: number
}

export type TimerReply =
  /** Positions in the order of the command's messages (of earlier tries too when the sequence was known). */
  | { readonly type: 'produced'; readonly positions: readonly Position[]; readonly duplicates: number }
  | { readonly type: 'outOfSequence'; readonly expected: number }
  /** Stored before, but too long ago to know its offset. */
  | { readonly type: 'duplicate' }
  | { readonly type: 'attached'; readonly cursor: Position; readonly kept: readonly (Granted & { deadline: number })[] }
  | { readonly type: 'detached' }
  /** As many runs as the command had, in its order; redeliveries before new ones. Empty for a session that is gone. */
  | {
      readonly type: 'delivered'
      readonly runs: readonly {
        readonly session: string
        readonly deadline: number
        readonly items: readonly Granted[]
      }[]
    }
  /** The command was computed from something that is no longer so (for attach: the session was replaced); nothing changed. */
  | { readonly type: 'stale'; readonly cursor: Position }
  /** For ack, nack, extend, expire: places in `items` whose fence (or deadline) was not current. */
  | {
      readonly type: 'settled'
      readonly lost: readonly number[]
      /** Items that took effect now; a repeated ack of an acknowledged fence is neither lost nor counted here. */
      readonly done: number
      readonly deadline?: number
    }
  | { readonly type: 'groupNotFound' }
  | { readonly type: 'tooMany'; readonly what: 'channels' | 'groups' | 'sessions' }

export type TimerEffect =
  /** New messages of one command, in order; `bodies[i]` stays valid for the receiver to keep while it looks ahead. */
  | {
      readonly type: 'stored'
      readonly channels: readonly string[]
      readonly positions: readonly Position[]
      readonly bodies: readonly Uint8Array[]
    }
  /** Something of the group may be deliverable again, or its credit, cursor or sessions changed. */
  | ({ readonly type: 'groupChanged' } & GroupName)
  /** The same, because leases of the session ended: it may be given more. */
  | ({ readonly type: 'leasesEnded'; readonly session: string } & GroupName)
  /** A session was replaced by a newer one of the same name: its stream ends with SESSION_REPLACED. */
  | ({ readonly type: 'sessionReplaced'; readonly session: string } & GroupName)
