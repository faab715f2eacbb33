/**
 * The Raft core's door: one group, one replica. The host calls in with messages, ticks and requests, takes `ready()`,
 * persists, sends and applies, and confirms with `persisted` and `applied`. Everything here is synchronous.
 */
import type { ConfState } from '../base/log-entry.ts'
import type { ConfChange } from './conf-change.ts'
import type { Message, Progress, ProposeRefusal, RaftConfig, RaftStatus, Ready } from './types.ts'

/** Where a proposal went: `index` is that of its first entry, the others follow it. */
export type Proposed = { readonly term: number; readonly index: number } | { readonly refused: ProposeRefusal }

export class RaftGroup {
  constructor(config: RaftConfig) {
    throw new Error(`not there yet: ${config.id}`)
  }

  /** Whether {@link ready} has anything to say. Cheap. */
  hasReady(): boolean {
    throw new Error('not there yet')
  }

  /** Takes what is new. Several may be in flight; their tokens are confirmed in order. */
  ready(): Ready {
    throw new Error('not there yet')
  }

  /** Everything of the Ready with `token`, and of those before it, is durable and readable through LogStorage. */
  persisted(token: number): void {
    throw new Error(`not there yet: ${token}`)
  }

  /** The state machine has applied everything up to `index`. */
  applied(index: number): void {
    throw new Error(`not there yet: ${index}`)
  }

  /** A message from a peer. Stale or foreign ones are dropped. */
  step(message: Message): void {
    throw new Error(`not there yet: ${message.type}`)
  }

  /** One tick of the host's monotonic clock. */
  tick(): void {
    throw new Error('not there yet')
  }

  /** Appends one entry per element, all or none. The arrays are kept, not copied. */
  propose(data: readonly Uint8Array[]): Proposed {
    throw new Error(`not there yet: ${data.length}`)
  }

  /** Proposes a change of membership (§6). At most one may be unapplied: a second one is refused. */
  proposeConfChange(change: ConfChange): Proposed {
    throw new Error(`not there yet: ${change.transition}`)
  }

  /** To be called when a `confChange` entry is applied, before `applied(index)`. Answers the configuration from then on. */
  applyConfChange(change: ConfChange): ConfState {
    throw new Error(`not there yet: ${change.transition}`)
  }

  /** Asks for a linearizable read point (§6.4 of the dissertation); `context` > 0 comes back in `readStates`. False: no leader, ask again. */
  readIndex(context: number): boolean {
    throw new Error(`not there yet: ${context}`)
  }

  /** Hands leadership to the voter `to`; gives up after an election timeout. Proposals are refused meanwhile. */
  transferLeadership(to: number): void {
    throw new Error(`not there yet: ${to}`)
  }

  /** Messages to `id` were lost: replicates to it carefully until it answers. */
  reportUnreachable(id: number): void {
    throw new Error(`not there yet: ${id}`)
  }

  /** How sending a snapshot to `id` ended. Must be called for every `installSnapshot` message. */
  reportSnapshot(id: number, ok: boolean): void {
    throw new Error(`not there yet: ${id} ${ok}`)
  }

  /** The host knows that `id` is gone: if it was the leader there is none from now on, and votes are judged without its lease. */
  leaderUnreachable(id: number): void {
    throw new Error(`not there yet: ${id}`)
  }

  /** Starts an election now, with a pre-vote if so configured. */
  campaign(): void {
    throw new Error('not there yet')
  }

  /** A follower forgets who leads and so may vote for another before the election timeout. */
  forgetLeader(): void {
    throw new Error('not there yet')
  }

  status(): RaftStatus {
    throw new Error('not there yet')
  }

  /** Per replica, ascending; empty unless this one leads. */
  progress(): readonly Progress[] {
    throw new Error('not there yet')
  }
}
