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
  readonly #leading = new Set<GroupId>()
  /** Their state was lost when last looked at. */
  readonly #stateLost = new Map<GroupId, Counted>()

  note(event: ReplicationEvent): void {
    if (event.type === 'role' && event.role === 'leader') this.#elections++
    if (event.type === 'damaged') this.damaged.add(event.group)
  }

  /** To be called whenever the group began or ceased to be here or to be led here, or its state was lost. */
  look(group: GroupId, replica: Counted | undefined): void {
    if (replica?.leads === true) this.#leading.add(group)
    else this.#leading.delete(group)
    if (replica?.stateLost === true) this.#stateLost.set(group, replica)
    else this.#stateLost.delete(group)
  }

  /** Nothing is gone through for it but what is lost. */
  stats(groups: number, quiesced: number): MultiRaftStats {
    // That it was replaced is told by nobody.
    for (const [group, replica] of this.#stateLost) if (!replica.stateLost) this.#stateLost.delete(group)
    return {
      ...{ groups, quiesced, leaders: this.#leading.size, elections: this.#elections, dropped: this.dropped },
      ...{ damaged: [...this.damaged], stateLost: [...this.#stateLost.keys()], proposals: { ...this.proposals } },
    }
  }
}

interface Counted {
  readonly leads: boolean
  readonly stateLost: boolean
}
