/**
 * What the followers of a leader still need of its log. Who lags is waited for within `wal_retain_bytes`. Who is being sent
 * a snapshot needs the log from there on until it is within that again: that much more is kept for it as the log itself
 * bounds, as long as it is there. Otherwise it would come too late for every snapshot of a group that is written to.
 */
import type { Env } from '../../base/env.ts'
import type { GroupId, NodeId, ReplicaId } from '../../base/ids.ts'
import type { Progress } from '../../raft/types.ts'
import type { Wal } from '../../storage/wal/types.ts'
import type { ReplicationEvent } from '../events.ts'
import type { ReplicationLimits } from '../options.ts'

/** A receiver of which nothing was heard for so long has gone. */
const GONE_MS = 10_000
/** Between two looks whether receivers still need what is kept for them. */
const LOOK_MS = 1000

export interface FollowerNeedsParts {
  readonly env: Env
  readonly group: GroupId
  readonly wal: Wal
  readonly limits: Pick<ReplicationLimits, 'walRetainBytes'>
  readonly term: () => number
  /** Empty unless this replica leads. */
  readonly progress: () => readonly Progress[]
  /** How long nothing was heard of the node, ms. */
  readonly silentMs: (node: NodeId) => number
  readonly stopped: () => boolean
  /** Asks {@link FollowerNeeds.heldFrom} and tells the log; called now and then while something is kept for a receiver. */
  readonly look: () => void
  readonly event: (event: ReplicationEvent) => void
}

interface Receiver {
  readonly node: NodeId
  /** Of the leadership that sends. */
  readonly term: number
  /** The lowest index that is not in the snapshot. */
  readonly from: number
}

export class FollowerNeeds {
  readonly #parts: FollowerNeedsParts
  readonly #replica: ReplicaId
  readonly #receivers = new Map<ReplicaId, Receiver>()
  #looking = false

  constructor(parts: FollowerNeedsParts, replica: ReplicaId) {
    this.#parts = parts
    this.#replica = replica
  }

  /** The lowest index that a follower within `walRetainBytes` needs, at most `beyond`; undefined unless this replica leads. */
  keepFrom(beyond: number): number | undefined {
    const { group, wal, limits, progress } = this.#parts
    const log = wal.group(group)
    const replicas = progress()
    if (log === undefined || replicas.length === 0) return undefined
    let keep = beyond
    for (const { id, match, state, pendingSnapshot } of replicas) {
      if (id === this.#replica) continue
      const needs = Math.max(state === 'snapshot' ? pendingSnapshot : match, log.base.index) + 1
      if (needs < keep && log.bytesFrom(needs) <= limits.walRetainBytes) keep = needs
    }
    return keep
  }

  /** The lowest index that a receiver of a snapshot needs, on its way to it or just arrived; infinite without one. */
  heldFrom(): number {
    if (this.#receivers.size === 0) return Number.POSITIVE_INFINITY
    const peers = new Map(this.#parts.progress().map((peer) => [peer.id, peer]))
    let from = Number.POSITIVE_INFINITY
    for (const [to, receiver] of this.#receivers) {
      const need = this.#needOf(receiver, peers.get(to))
      if (need === undefined) this.#receivers.delete(to)
      else from = Math.min(from, need)
    }
    return from
  }

  /** A snapshot that holds everything below `from` is being sent. */
  sending(to: ReplicaId, node: NodeId, from: number): void {
    const { progress, term } = this.#parts
    // Who lost its state alone has all of its log.
    if (progress().find(({ id }) => id === to)?.state !== 'snapshot') return
    this.#receivers.set(to, { node, term: term(), from })
    this.#lookLater()
  }

  /** It did not arrive. */
  failed(to: ReplicaId): void {
    this.#receivers.delete(to)
  }

  #needOf({ node, term, from }: Receiver, peer: Progress | undefined): number | undefined {
    const { group, wal, limits, silentMs, event } = this.#parts
    const log = wal.group(group)
    if (log === undefined || peer === undefined || term !== this.#parts.term() || silentMs(node) >= GONE_MS) {
      return undefined
    }
    const need = Math.max(from, peer.match + 1)
    if (need <= log.base.index) {
      event({ type: 'snapshotOutrun', group, to: node, index: from - 1 })
      return undefined
    }
    // From here on it is a follower like any other.
    return peer.match + 1 >= from && log.bytesFrom(need) <= limits.walRetainBytes ? undefined : need
  }

  #lookLater(): void {
    const { env, stopped, look } = this.#parts
    // One that failed and is sent again may find the last look still due.
    if (this.#looking || this.#receivers.size === 0) return
    this.#looking = true
    env.after(LOOK_MS, () => {
      this.#looking = false
      if (stopped()) return
      look()
      this.#lookLater()
    })
  }
}
