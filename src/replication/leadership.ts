/** Who leads, as one replica sees it: tells changes, hands leadership over, reacts to the loss of a node. */
import type { NodeId, ReplicaId } from '../base/ids.ts'
import type { RaftGroup } from '../raft/raft.ts'
import type { Applier } from './applier.ts'
import type { GroupHandle, GroupObserver } from './group.ts'
import { leavesBy, type MemberChange, toConfChange } from './member-change.ts'
import type { Proposals } from './proposals.ts'
import type { Reads } from './reads.ts'
import { publicRole, type RoleWatch } from './role-watch.ts'
import type { Shard } from './shard.ts'

interface LeadershipParts<R, E> {
  readonly raft: RaftGroup
  readonly handle: Pick<GroupHandle<R, E>, 'group' | 'replica' | 'status'> & { nodeOf(replica: ReplicaId): NodeId }
  readonly watch: RoleWatch
  readonly proposals: Proposals<R>
  readonly reads: Reads
  readonly applier: Applier<R, E>
  readonly observers: readonly GroupObserver<E>[]
  readonly shard: Pick<Shard, 'env' | 'event' | 'changed'>
  readonly stopped: () => boolean
  /** The core has something new to say. */
  readonly mark: () => void
}

/** After a leader's node is gone its followers stand in turn, this far apart: votes for two at once cost a timeout. */
const SUCCESSION_MS = 60
const SUCCESSION_JITTER_MS = 20
/** A new group's first replica asks again this often: the others may have yet to start theirs. */
const FIRST_ELECTION_MS = 30
const FIRST_ELECTION_TRIES = 12

export class Leadership<R, E> {
  readonly #parts: LeadershipParts<R, E>

  constructor(parts: LeadershipParts<R, E>) {
    this.#parts = parts
  }

  get held(): boolean {
    return !this.#parts.stopped() && this.#parts.watch.seen.role === 'leader'
  }

  /** Tells what changed about who leads, and answers what depended on the old leader. */
  publish(): void {
    const { raft, handle, watch, proposals, reads, applier, observers, shard } = this.#parts
    const change = watch.look(raft, applier.meta.term)
    if (change === undefined) return
    shard.changed(handle.group)
    const { before, now } = change
    const { term, leader, role } = now
    const changedHands = before.term !== term || before.leader !== leader
    if (before.role === 'leader' && changedHands) proposals.steppedDown(before.term, applier.certain)
    if (changedHands) reads.leaderChanged()
    const status = handle.status()
    for (const observer of observers) observer.status(status)
    if (before.role !== role || changedHands) {
      shard.event({ type: 'role', group: handle.group, role: publicRole(role), term, leader })
    }
  }

  /** The replica takes no part any more: whoever waits for something of it is told that nobody leads here. */
  end(): void {
    const { handle, observers, watch, shard } = this.#parts
    const status = handle.status()
    for (const observer of observers) observer.status(status)
    const { role, term } = watch.seen
    if (role === 'leader') shard.event({ type: 'role', group: handle.group, role: 'follower', term, leader: 0 })
  }

  /** Stands for election at once and again, as long as nobody ever was elected: leaders begin where placement wants them. */
  beFirst(tries = FIRST_ELECTION_TRIES): void {
    const { raft, shard, stopped, mark } = this.#parts
    const { term, leader } = raft.status()
    if (stopped() || term > 0 || leader !== 0 || tries === 0) return
    raft.campaign()
    mark()
    shard.env.after(FIRST_ELECTION_MS, () => this.beFirst(tries - 1))
  }

  /** False: this replica does not lead, or nobody can take over. */
  handOver(): boolean {
    if (!this.held) return false
    const { raft, mark } = this.#parts
    if (raft.status().transferee !== 0) return true
    const next = this.#successor()
    if (next === undefined) return false
    raft.transferLeadership(next)
    mark()
    return true
  }

  /** Starts to, if this leader would not vote after the change. False: it may propose it. */
  handsOverBefore(change: MemberChange): boolean {
    const { raft, handle } = this.#parts
    return leavesBy(change, handle.replica) && raft.mayChange(toConfChange(change)) && this.handOver()
  }

  /** The process at `node` is gone: if it led, the group looks for another leader without waiting for the timeout. */
  peerDown(node: NodeId): void {
    const { raft, handle, shard, stopped, mark } = this.#parts
    const { leader } = raft
    if (stopped() || leader === 0 || handle.nodeOf(leader) !== node) return
    raft.leaderUnreachable(leader)
    mark()
    const wait = this.#placeBehind(leader) * SUCCESSION_MS + shard.env.random() * SUCCESSION_JITTER_MS
    const run = () => {
      if (stopped() || raft.leader !== 0) return
      raft.campaign()
      mark()
    }
    // A timer that comes late comes before the words of another leader that have arrived meanwhile.
    shard.env.after(wait, () => shard.env.endOfTurn(run))
  }

  /** How many voters stand between `leader` and this replica, round the configuration. */
  #placeBehind(leader: ReplicaId): number {
    const { raft, handle } = this.#parts
    const { voters } = raft.status().confState
    const from = voters.indexOf(leader)
    const own = voters.indexOf(handle.replica)
    return own < 0 ? voters.length : (own - from - 1 + voters.length) % voters.length
  }

  /** The voter furthest in the log of those that were heard from lately and can lead. */
  #successor(): ReplicaId | undefined {
    const { raft, handle } = this.#parts
    const { voters } = raft.status().confState
    let best: { readonly id: ReplicaId; readonly match: number } | undefined
    for (const { id, match, recentActive, stateLost } of raft.progress()) {
      if (id === handle.replica || !recentActive || stateLost || !voters.includes(id)) continue
      if (best === undefined || match > best.match) best = { id, match }
    }
    return best?.id
  }
}
