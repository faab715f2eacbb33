/**
 * The face of one replica towards the broker: takes proposals and reads, says who leads. `done` may be called before
 * `propose` or `read` returns.
 */
import type { GroupId, NodeId, ReplicaId } from '../base/ids.ts'
import type { RaftGroup } from '../raft/raft.ts'
import type { ProposeRefusal } from '../raft/types.ts'
import type { CheckpointMeta, GroupState } from '../storage/state/types.ts'
import type { Reader, View } from '../views/view.ts'
import type { GroupClock } from './clocks/group-clock.ts'
import { encodeEntryData } from './entry-data.ts'
import type {
  CoreView,
  GroupHandle,
  GroupObserver,
  GroupSpec,
  GroupStatus,
  Member,
  Proposal,
  ProposalOutcome,
  ReadOutcome,
  RefusalReason,
} from './group.ts'
import { type MemberChange, toConfChange } from './member-change.ts'
import type { Answerable, Proposals } from './proposals.ts'
import type { Reads } from './reads.ts'
import { publicRole, type RoleWatch } from './role-watch.ts'
import type { Shard } from './shard.ts'

export interface HandleParts<R, E, V> {
  readonly spec: GroupSpec
  readonly view: V
  readonly state: GroupState
  readonly shard: Shard
  readonly raft: RaftGroup
  readonly proposals: Proposals<R>
  readonly reads: Reads
  readonly watch: RoleWatch
  readonly observers: GroupObserver<E>[]
  /** What the view stands for. */
  readonly meta: () => CheckpointMeta
  readonly stopped: () => boolean
  /** The core has something new to say. */
  readonly mark: () => void
}

const NO_MATCH: ReadonlyMap<ReplicaId, number> = new Map()
const NEVER_ASKED: GroupStatus = {
  ...{ role: 'follower', term: 0, leaderReplica: 0, leaderNode: 0, ready: false },
  ...{ commit: 0, applied: 0, lastAt: 0, match: NO_MATCH },
}

const REFUSAL = {
  notLeader: 'NOT_LEADER',
  transferring: 'NOT_LEADER',
  removed: 'NOT_LEADER',
  tooMuchUncommitted: 'OVERLOADED',
  confChangePending: 'OVERLOADED',
  confChangeInvalid: 'INVALID',
} as const satisfies Record<ProposeRefusal, RefusalReason>

export class Handle<R, E, V extends View<R, E>> implements GroupHandle<R, E, V> {
  readonly group: GroupId
  readonly replica: ReplicaId
  readonly view: V
  readonly reader: Reader
  readonly #parts: HandleParts<R, E, V>
  readonly #clock: GroupClock
  /** As it was answered last. */
  #status: GroupStatus = NEVER_ASKED
  #members: readonly Member[] = []
  #places: ReadonlyMap<ReplicaId, NodeId> = new Map()

  constructor(parts: HandleParts<R, E, V>) {
    this.#parts = parts
    this.group = parts.spec.group
    this.replica = parts.spec.replica
    this.view = parts.view
    this.reader = parts.state
    this.setMembers(parts.spec.members)
    this.#clock = parts.shard.clockOf(() => parts.raft.status().confState.voters.map((voter) => this.nodeOf(voter)))
  }

  get members(): readonly Member[] {
    return this.#members
  }

  setMembers(members: readonly Member[]): void {
    this.#members = members
    this.#places = new Map(members.map(({ replica, node }) => [replica, node]))
    this.#parts.shard.changed(this.group)
  }

  /** 0 when unknown. */
  nodeOf(replica: ReplicaId): NodeId {
    return this.#places.get(replica) ?? 0
  }

  /** The same one as long as nothing in it changes. */
  status(): GroupStatus {
    const { raft, watch, meta, stopped } = this.#parts
    const gone = stopped()
    const { term, commit } = raft
    const { applied, lastAt } = meta()
    const role = gone ? 'follower' : publicRole(raft.role)
    const leaderReplica = gone ? 0 : raft.leader
    const leaderNode = this.nodeOf(leaderReplica)
    const ready = role === 'leader' && watch.seen.ready && watch.seen.term === term
    const last = this.#status
    if (last.role === role && last.term === term && last.leaderReplica === leaderReplica && last.ready === ready) {
      const same = last.commit === commit && last.applied === applied && last.lastAt === lastAt
      if (same && last.leaderNode === leaderNode) return last
    }
    this.#status = new Status(raft, { role, term, leaderReplica, leaderNode, ready, commit, applied, lastAt })
    return this.#status
  }

  /** What the core knows now. */
  inspect(): CoreView {
    const { raft } = this.#parts
    return { status: raft.status(), progress: raft.progress() }
  }

  wallMs(): number {
    return this.#clock.wallMs()
  }

  propose({ at, commands, done }: Proposal<R>): void {
    const { raft, view, proposals, mark } = this.#parts
    const refusal = this.#refusal()
    if (refusal !== undefined) {
      this.#refuse({ done }, refusal)
      return
    }
    // What the others would not take from this node must not reach its log either: nothing behind it could be committed.
    if (!commands.every((command) => view.isCommand(command))) {
      this.#refuse({ done }, 'INVALID')
      return
    }
    const proposed = raft.propose([encodeEntryData(at, commands)])
    if ('refused' in proposed) {
      this.#refuse({ done }, REFUSAL[proposed.refused])
      return
    }
    // The log has the commands from here on: who waits for the answer must not keep them as well.
    proposals.add(proposed.term, proposed.index, { done })
    mark()
  }

  /** Proposes a change of membership (§6), answered like a proposal. */
  changeMembers(change: MemberChange, done: (outcome: ProposalOutcome<R>) => void): void {
    const { raft, proposals, mark } = this.#parts
    const refusal = this.#refusal()
    if (refusal !== undefined) {
      this.#refuse({ done }, refusal)
      return
    }
    const proposed = raft.proposeConfChange(toConfChange(change))
    mark()
    if ('refused' in proposed) this.#refuse({ done }, REFUSAL[proposed.refused])
    else proposals.add(proposed.term, proposed.index, { done })
  }

  read(done: (outcome: ReadOutcome) => void): void {
    const { reads, stopped, mark } = this.#parts
    if (stopped()) {
      done({ type: 'refused', reason: 'NOT_LEADER' })
      return
    }
    reads.add(done)
    mark()
  }

  transferLeadership(to: ReplicaId): void {
    const { raft, stopped, mark } = this.#parts
    // A follower's core would pass it on to the leader, which takes it from nobody else.
    if (stopped() || raft.role !== 'leader') return
    raft.transferLeadership(to)
    mark()
  }

  observe(observer: GroupObserver<E>): void {
    this.#parts.observers.push(observer)
  }

  /** A leader takes proposals only once its own term's first entry is applied: its view is then up to date. */
  #refusal(): RefusalReason | undefined {
    const { shard, state, watch, stopped } = this.#parts
    if (stopped() || !watch.seen.ready) return 'NOT_LEADER'
    return shard.refusal() ?? (state.bytes() >= shard.limits.layerBytesMax ? 'OVERLOADED' : undefined)
  }

  #refuse(proposal: Answerable<R>, reason: RefusalReason): void {
    this.#parts.shard.counts.refused++
    proposal.done({ type: 'refused', reason })
  }
}

/** Made whenever a group has got on a little, so it is a class: an object with a getter of its own costs many times more. */
class Status implements GroupStatus {
  readonly role: GroupStatus['role']
  readonly term: number
  readonly leaderReplica: ReplicaId
  readonly leaderNode: NodeId
  readonly ready: boolean
  readonly commit: number
  readonly applied: number
  readonly lastAt: number
  readonly #raft: RaftGroup

  constructor(raft: RaftGroup, fields: Omit<GroupStatus, 'match'>) {
    this.role = fields.role
    this.term = fields.term
    this.leaderReplica = fields.leaderReplica
    this.leaderNode = fields.leaderNode
    this.ready = fields.ready
    this.commit = fields.commit
    this.applied = fields.applied
    this.lastAt = fields.lastAt
    this.#raft = raft
  }

  /** Of the moment at which it is looked at: few do. */
  get match(): GroupStatus['match'] {
    if (this.role !== 'leader') return NO_MATCH
    return new Map(this.#raft.progress().map(({ id, match }) => [id, match]))
  }
}
