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
  #led: LeaderReport['leads'] = []
  #leading: readonly LocalReplica[] = []
  readonly #changes: () => number
  #seen: number | undefined

  /** `changes` counts up when the list, or what its replicas say of who leads, may have changed. */
  constructor(list: () => readonly LocalReplica[], changes: () => number) {
    this.#list = list
    this.#changes = changes
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

  /** Those that lead and are ready, as of the last look. */
  leading(): readonly LocalReplica[] {
    return this.#leading
  }

  /** Their groups and terms. */
  leads(): LeaderReport['leads'] {
    return this.#led
  }

  /** Looks again, if there may be anything to see. Says what differs from the last look. */
  look(): { readonly leadersChanged: boolean; readonly ledChanged: boolean } {
    const changes = this.#changes()
    if (changes === this.#seen) return UNCHANGED
    this.#seen = changes
    this.#byGroup = new Map(this.#list().map((replica) => [replica.group, replica]))
    const statuses = [...this.all()].map((replica) => ({ replica, ...replica.status() }))
    const leaders = statuses.map(({ replica, leaderNode, term }) => `${replica.group}:${leaderNode}:${term}`).join()
    const leading = statuses.filter(({ role, ready }) => role === 'leader' && ready)
    const led = leading.map(({ replica, term }) => ({ group: replica.group, term }))
    this.#leading = leading.map(({ replica }) => replica)
    const changed = { leadersChanged: leaders !== this.#leaders, ledChanged: textOf(led) !== textOf(this.#led) }
    this.#leaders = leaders
    this.#led = led
    return changed
  }
}

const UNCHANGED = { leadersChanged: false, ledChanged: false }

function textOf(leads: LeaderReport['leads']): string {
  return leads.map(({ group, term }) => `${group}:${term}`).join()
}
