/** The replicas on this node by group, and what they say about who leads; looked at often instead of observed one by one. */
import type { GroupId, NodeId, ReplicaId } from '../../base/ids.ts'
import type { GroupStatus } from '../../replication/group.ts'
import type { LeaderReport } from '../../rpc/control-types.ts'
import type { Leader } from './peer-reports.ts'

/** What the directory needs of any replica on this node; a GroupHandle is one. */
export interface LocalReplica {
  readonly group: GroupId
  readonly members: readonly { readonly replica: ReplicaId; readonly node: NodeId }[]
  status(): GroupStatus
  transferLeadership(to: ReplicaId): void
}

export class LocalReplicas {
  readonly #list: () => readonly LocalReplica[]
  #byGroup = new Map<GroupId, LocalReplica>()
  #leaders = ''
  #led = ''

  constructor(list: () => readonly LocalReplica[]) {
    this.#list = list
  }

  get(group: GroupId): LocalReplica | undefined {
    return this.#byGroup.get(group) ?? this.#list().find((replica) => replica.group === group)
  }

  all(): Iterable<LocalReplica> {
    return this.#byGroup.values()
  }

  leaderOf(group: GroupId): Leader {
    const status = this.get(group)?.status()
    return { node: status?.leaderNode ?? 0, term: status?.term ?? 0 }
  }

  /** Groups that this node leads and may speak for. */
  leads(): LeaderReport['leads'] {
    const leads = []
    for (const replica of this.all()) {
      const { role, ready, term } = replica.status()
      if (role === 'leader' && ready) leads.push({ group: replica.group, term })
    }
    return leads
  }

  /** Looks again. Says what differs from the last look. */
  look(): { readonly leadersChanged: boolean; readonly ledChanged: boolean } {
    this.#byGroup = new Map(this.#list().map((replica) => [replica.group, replica]))
    const statuses = [...this.all()].map((replica) => ({ group: replica.group, ...replica.status() }))
    const leaders = statuses.map(({ group, leaderNode, term }) => `${group}:${leaderNode}:${term}`).join()
    const led = this.leads()
      .map(({ group, term }) => `${group}:${term}`)
      .join()
    const changed = { leadersChanged: leaders !== this.#leaders, ledChanged: led !== this.#led }
    this.#leaders = leaders
    this.#led = led
    return changed
  }
}
