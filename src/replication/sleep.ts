/** Whether a replica sleeps, and what its sleep rests on, as the other nodes must know it too (slumber.ts). */
import type { NodeId, ReplicaId } from '../base/ids.ts'
import { members } from '../raft/configuration.ts'
import type { RaftGroup } from '../raft/raft.ts'
import type { Reads } from './reads.ts'
import type { Sleep } from './slumber.ts'

interface SleepParts {
  readonly raft: RaftGroup
  readonly reads: Reads
  readonly nodeOf: (replica: ReplicaId) => NodeId
  /** It fell asleep or woke up. */
  readonly turned: () => void
}

export class SleepWatch {
  readonly #parts: SleepParts
  /** In which it slept when last looked at; 0: it was awake. */
  #term = 0

  constructor(parts: SleepParts) {
    this.#parts = parts
  }

  /** undefined while it is awake; a read under way wants to be ticked all the same. */
  get now(): Sleep | undefined {
    const { raft, nodeOf } = this.#parts
    if (!this.#sleeping) return undefined
    const { id, role, term, leader, confState, timeoutTicks } = raft.status()
    if (role !== 'leader') return { leads: false, term, nodes: [nodeOf(leader)], patienceTicks: timeoutTicks }
    const placesOf = (replicas: readonly ReplicaId[]) => replicas.filter((replica) => replica !== id).map(nodeOf)
    // Nobody sleeps in a joint configuration: there is one majority.
    const spare = Math.floor((confState.voters.length - 1) / 2)
    return { leads: true, term, nodes: placesOf(members(confState)), voters: placesOf(confState.voters), spare }
  }

  /** To be called whenever anything may have ended or begun its sleep. */
  watch(): void {
    // Within one turn it may have woken and fallen asleep under another leader.
    const term = this.#sleeping ? this.#parts.raft.term : 0
    if (term !== this.#term) this.#parts.turned()
    this.#term = term
  }

  get #sleeping(): boolean {
    return this.#parts.raft.quiesced && !this.#parts.reads.busy
  }
}
