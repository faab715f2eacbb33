/** The replicas of one shard. */
import { SandglassError } from '../base/errors.ts'
import type { GroupId, NodeId } from '../base/ids.ts'
import type { View } from '../views/view.ts'
import type { GroupHandle, GroupSpec, Member } from './group.ts'
import type { MultiRaftOptions } from './options.ts'
import type { PeerReceiver } from './transport.ts'

export interface MultiRaftStats {
  readonly groups: number
  readonly leaders: number
  /** Groups that lost their replica here to damage of the log. */
  readonly damaged: readonly GroupId[]
  readonly proposals: { readonly applied: number; readonly refused: number; readonly unknown: number }
  readonly elections: number
}

export interface PeerClock {
  /** The peer's wall clock minus ours, ms; late by the time a frame travels. */
  readonly offsetMs: number
  readonly ageMs: number
}

export class MultiRaft implements PeerReceiver {
  constructor(options: MultiRaftOptions) {
    throw new SandglassError('UNSUPPORTED', `Cannot start node ${options.node}: not built yet`)
  }

  /**
   * Starts this node's replica from its last checkpoint and its log; what the log holds beyond is applied in slices
   * afterwards. Rejects when log and state do not fit together, when the log was damaged or the group already runs. A
   * replica left over under an older id is discarded first.
   */
  start<R, E, V extends View<R, E>>(_spec: GroupSpec, _createView: () => V): Promise<GroupHandle<R, E, V>> {
    return Promise.reject(new SandglassError('UNSUPPORTED', 'not built yet'))
  }

  /** Stops the replica after a checkpoint; its data stays. Everything it still owes is answered. */
  stop(_group: GroupId): Promise<void> {
    return Promise.resolve()
  }

  /** Removes the replica and its data for good, running or not: a tombstone in the log, then the state. */
  remove(_group: GroupId): Promise<void> {
    return Promise.resolve()
  }

  /** Where the replicas of a running group are, from now on (placement changed). */
  setMembers(_group: GroupId, _members: readonly Member[]): void {
    return
  }

  handle(_group: GroupId): GroupHandle<unknown, unknown> | undefined {
    return undefined
  }

  handles(): readonly GroupHandle<unknown, unknown>[] {
    return []
  }

  stats(): MultiRaftStats {
    return { groups: 0, leaders: 0, damaged: [], proposals: { applied: 0, refused: 0, unknown: 0 }, elections: 0 }
  }

  /** The clocks of the peers, as their frames carried them. */
  clocks(): ReadonlyMap<NodeId, PeerClock> {
    return new Map()
  }

  frame(_from: NodeId, _frame: Uint8Array): void {
    return
  }

  snapshot(_from: NodeId, _header: Uint8Array, _chunks: AsyncIterable<Uint8Array>): Promise<void> {
    return Promise.resolve()
  }

  peerDown(_node: NodeId): void {
    return
  }

  /**
   * Hands leaderships over, answers what is left with `unknown` (appended) or SHUTTING_DOWN (not appended), makes the
   * last checkpoints. The log, the state store and the transport are closed by whoever opened them.
   */
  close(): Promise<void> {
    return Promise.resolve()
  }
}
