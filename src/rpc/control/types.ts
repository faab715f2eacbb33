/**
 * What nodes tell each other beside Raft, as values: catalog changes that go to the catalog's leader, read points, and
 * every node's report of what it leads. rpc/ moves them, node/ gives them meaning.
 */
import type { GroupId, NodeId } from '../../base/ids.ts'

export type ControlProposeOutcome =
  /** `index`: the entry's; wait for it to be applied here before reading. `reply` is as the catalog view encoded it. */
  | { readonly type: 'applied'; readonly index: number; readonly reply: Uint8Array }
  /** Certainly not appended; the leader it knows, 0 if none. */
  | { readonly type: 'refused'; readonly leader: NodeId }
  | { readonly type: 'unknown' }

export type ControlReadOutcome =
  | { readonly type: 'ok'; readonly index: number }
  | { readonly type: 'refused'; readonly leader: NodeId }

export interface LeaderReport {
  readonly node: NodeId
  /** Groups this node leads and is ready in, with their terms. */
  readonly leads: readonly { readonly group: GroupId; readonly term: number }[]
  /** Whether it may be given leaderships (not draining, disk and clock sound). */
  readonly accepts: boolean
  readonly wallMs: number
}

/** The receiving side: implemented by the node. */
export interface ControlHandler {
  /** Rejects with INVALID and the field for what the node `from` has no business to ask for. */
  propose(from: NodeId, command: Uint8Array): Promise<ControlProposeOutcome>
  readIndex(): Promise<ControlReadOutcome>
  report(report: LeaderReport): void
}

/** The sending side. Every method rejects when the peer does not answer within `timeoutMs` or refuses the handshake. */
export interface ControlClient {
  propose(to: NodeId, command: Uint8Array, timeoutMs: number): Promise<ControlProposeOutcome>
  readIndex(to: NodeId, timeoutMs: number): Promise<ControlReadOutcome>
  report(to: NodeId, report: LeaderReport, timeoutMs: number): Promise<void>
}
