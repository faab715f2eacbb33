/** The replicas on this node by group, and what they say about who leads; looked at all together when some of them changed. */
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

export class LocalReplicas {
  readonly #replicas: ReplicaList
  /** What each said at the last look. */
  #said: ReadonlyMap<GroupId, Said> = new Map()
  #led: LeaderReport['leads'] = []
  #leading: readonly LocalReplica[] = []

  constructor(replicas: ReplicaList) {
    this.#replicas = replicas
  }

  get(group: GroupId): LocalReplica | undefined {
    return this.#replicas.handle(group)
  }

  leaderOf(group: GroupId): Leader {
    const status = this.get(group)?.status()
    return { node: status?.leaderNode ?? 0, term: status?.term ?? 0 }
  }

  /** Those that lead and are ready, as of the last look. */
  leading(): readonly LocalReplica[] {
    return this.#leading
  }

  /** Their groups and terms. */
  leads(): LeaderReport['leads'] {
    return this.#led
  }

  /** Looks again. Says what differs from the last look. */
  look(): { readonly leadersChanged: boolean; readonly ledChanged: boolean } {
    const before = this.#said
    const now = new Map<GroupId, Said>()
    const leading: LocalReplica[] = []
    const led: { group: GroupId; term: number }[] = []
    let [leadersChanged, ledChanged] = [false, false]
    for (const replica of this.#replicas.handles()) {
      const { group } = replica
      const { leaderNode, term, role, ready } = replica.status()
      const said = { leaderNode, term, leads: role === 'leader' && ready }
      const last = before.get(group)
      if (last?.leaderNode !== leaderNode || last.term !== term) leadersChanged = true
      if (said.leads !== (last?.leads ?? false) || (said.leads && last?.term !== term)) ledChanged = true
      if (said.leads) {
        leading.push(replica)
        led.push({ group, term })
      }
      now.set(group, said)
    }
    const changed = {
      leadersChanged: leadersChanged || before.size !== now.size,
      ledChanged: ledChanged || led.length !== this.#led.length,
    }
    this.#said = now
    this.#leading = leading
    this.#led = led
    return changed
  }
}

interface Said {
  readonly leaderNode: NodeId
  readonly term: number
  readonly leads: boolean
}
