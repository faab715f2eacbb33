/** What happened on a shard so far, counted. */
import type { GroupId } from '../base/ids.ts'
import type { ReplicationEvent } from './events.ts'
import type { ProposalCounts } from './proposals.ts'

export interface MultiRaftStats {
  readonly groups: number
  readonly leaders: number
  /** Groups of which the replica here sleeps because nothing happens in them. */
  readonly quiesced: number
  /** Groups refused because their replica here was lost to damage of the log. */
  readonly damaged: readonly GroupId[]
  /** Groups whose state here is damaged and waits for a snapshot. */
  readonly stateLost: readonly GroupId[]
  readonly proposals: Readonly<ProposalCounts>
  /** How often a replica here came to lead. */
  readonly elections: number
  /** Messages of peers that no replica here stepped: from replicas not known here, or of terms too far ahead. */
  readonly dropped: number
}

export class ShardBooks {
  readonly proposals: ProposalCounts = { applied: 0, refused: 0, unknown: 0 }
  readonly damaged = new Set<GroupId>()
  dropped = 0
  #elections = 0

  note(event: ReplicationEvent): void {
    if (event.type === 'role' && event.role === 'leader') this.#elections++
    if (event.type === 'damaged') this.damaged.add(event.group)
  }

  stats(replicas: Iterable<Counted>, quiesced: number): MultiRaftStats {
    const all = [...replicas]
    const leaders = all.filter(({ leads }) => leads).length
    const stateLost = all.filter((replica) => replica.stateLost).map(({ group }) => group)
    const [groups, damaged, proposals] = [all.length, [...this.damaged], { ...this.proposals }]
    return {
      groups,
      leaders,
      quiesced,
      damaged,
      stateLost,
      proposals,
      elections: this.#elections,
      dropped: this.dropped,
    }
  }
}

interface Counted {
  readonly group: GroupId
  readonly leads: boolean
  readonly stateLost: boolean
}
