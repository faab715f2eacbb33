/**
 * The replicas on this node by group, and what they say about who leads. Only those are looked at of which something may have
 * changed since the last look: thousands that stay as they are cost nothing.
 */
import type { GroupId, NodeId, ReplicaId } from '../../base/ids.ts'
import type { GroupStatus } from '../../replication/group.ts'
import type { LeaderReport } from '../../rpc/control/types.ts'
import type { Leader } from './peer-reports.ts'

/** What the directory needs of any replica on this node; a GroupHandle is one. */
export interface LocalReplica {
  readonly group: GroupId
  readonly members: readonly { readonly replica: ReplicaId; readonly node: NodeId }[]
  status(): GroupStatus
  transferLeadership(to: ReplicaId): void
}

/** The running replicas of this node, the catalog's included; a MultiRaft is one. */
export interface ReplicaList {
  handles(): readonly LocalReplica[]
  handle(group: GroupId): LocalReplica | undefined
}

export interface Looked {
  readonly leadersChanged: boolean
  readonly ledChanged: boolean
  /** Some were not looked at yet. */
  readonly more: boolean
}

export class LocalReplicas {
  readonly #replicas: ReplicaList
  /** What each said when it was looked at last. */
  readonly #said = new Map<GroupId, Said>()
  readonly #leading = new Map<GroupId, LocalReplica>()
  /** To be looked at, those that changed first before the others. */
  readonly #changed = new Set<GroupId>()
  #leads: LeaderReport['leads'] | undefined

  constructor(replicas: ReplicaList) {
    this.#replicas = replicas
    for (const { group } of replicas.handles()) this.#changed.add(group)
  }

  get(group: GroupId): LocalReplica | undefined {
    return this.#replicas.handle(group)
  }

  leaderOf(group: GroupId): Leader {
    const status = this.get(group)?.status()
    return status === undefined ? NOBODY : { node: status.leaderNode, term: status.term }
  }

  /** Those that lead and are ready, as of the last look. */
  leading(): Iterable<LocalReplica> {
    return this.#leading.values()
  }

  /** Their groups and terms; the same list as long as nothing in it changes. */
  leads(): LeaderReport['leads'] {
    this.#leads ??= Array.from(this.#leading.keys(), (group) => ({ group, term: this.#said.get(group)?.term ?? 0 }))
    return this.#leads
  }

  /** It began or ceased to run, or may say something else than before. */
  changed(group: GroupId): void {
    this.#changed.add(group)
  }

  /** Looks at `most` of those that changed. Says what differs from what they said before. */
  look(most: number): Looked {
    let [leadersChanged, ledChanged] = [false, false]
    let left = most
    for (const group of this.#changed) {
      if (left-- === 0) break
      this.#changed.delete(group)
      const before = this.#said.get(group)
      const now = this.#lookAt(group)
      if (now?.leaderNode !== before?.leaderNode || now?.term !== before?.term) leadersChanged = true
      if (ledTerm(now) !== ledTerm(before)) ledChanged = true
    }
    if (ledChanged) this.#leads = undefined
    return { leadersChanged, ledChanged, more: this.#changed.size > 0 }
  }

  #lookAt(group: GroupId): Said | undefined {
    const replica = this.get(group)
    this.#leading.delete(group)
    if (replica === undefined) {
      this.#said.delete(group)
      return undefined
    }
    const { leaderNode, term, role, ready } = replica.status()
    const said = { leaderNode, term, leads: role === 'leader' && ready }
    if (said.leads) this.#leading.set(group, replica)
    this.#said.set(group, said)
    return said
  }
}

const NOBODY: Leader = { node: 0, term: 0 }

interface Said {
  readonly leaderNode: NodeId
  readonly term: number
  readonly leads: boolean
}

/** 0: it does not lead. */
function ledTerm(said: Said | undefined): number {
  return said?.leads === true ? said.term : 0
}
