/**
 * Checkpoints for the sake of the log: of replicas whose uncheckpointed entries hold old segments. A few at a time, and
 * the next ones as these end, so that a thousand quiet groups that are due at once neither take every turn at the state
 * store from a busy one nor wait a look each.
 */
import type { GroupId } from '../../base/ids.ts'
import type { Wal } from '../../storage/wal/types.ts'
import type { ReplicationEvent } from '../events.ts'

/** Checkpoints asked for and not ended yet. */
const UNDER_WAY_MAX = 8

export interface LogReliefParts {
  readonly wal: Pick<Wal, 'laggards'>
  /** Makes the replica save its state and release its log; false if there is nothing to save, or it cannot now. */
  readonly relieve: (group: GroupId) => boolean
  /** Whether its checkpoint is on its way. */
  readonly relieving: (group: GroupId) => boolean
}

export class LogRelief {
  readonly #parts: LogReliefParts
  readonly #underWay = new Set<GroupId>()

  constructor(parts: LogReliefParts) {
    this.#parts = parts
  }

  look(): void {
    // One that was stopped on the way says nothing more.
    for (const group of this.#underWay) if (!this.#parts.relieving(group)) this.#underWay.delete(group)
    this.#next()
  }

  /** Events of the replicas that tell how their checkpoints end. */
  note(event: ReplicationEvent): void {
    if (event.type !== 'checkpointed' && event.type !== 'checkpointFailed') return
    if (this.#underWay.delete(event.group)) this.#next()
  }

  #next(): void {
    const { wal, relieve } = this.#parts
    if (this.#underWay.size >= UNDER_WAY_MAX) return
    for (const group of wal.laggards()) {
      if (!this.#underWay.has(group) && relieve(group)) this.#underWay.add(group)
      if (this.#underWay.size >= UNDER_WAY_MAX) return
    }
  }
}
