/**
 * What a log need not remember any more once its node knows the catalog as it was after the log was opened. Where nobody
 * knows which replicas were lost, it was none that came later; and of those that are gone for good only the ones still
 * matter that the node may yet be asked for.
 */
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import type { Disk } from '../disk.ts'
import { type Quarantined, type Remembered, saveQuarantine } from './quarantine.ts'
import type { Registry } from './registry.ts'

/** What the catalog says, as new as it was after this log was opened or newer. */
export interface KnownIds {
  /** Every id that was handed out before the log was opened is lower. */
  readonly nextId: ReplicaId
  /** Whether this node may yet be asked for the replica, or for one of its group with a lower id. Looked at from time to time. */
  isAsked(group: GroupId, replica: ReplicaId): boolean
}

interface LossesParts {
  readonly disk: Disk
  readonly dir: string
  readonly registry: Registry
  readonly remembered: Remembered
}

export class Losses {
  readonly #parts: LossesParts
  #lostBelow: ReplicaId

  constructor(parts: LossesParts) {
    this.#parts = parts
    this.#lostBelow = parts.remembered.lostBelow
  }

  /** A replica lost where nobody knows which were there has a lower id; infinite as long as that is all that is known. */
  get lostBelow(): ReplicaId {
    return this.#lostBelow
  }

  /** Counts at once, and is remembered when this resolves. Rejects when the disk fails: the next start finds it out again. */
  async caughtUp({ nextId, isAsked }: KnownIds): Promise<void> {
    const { disk, dir, registry, remembered } = this.#parts
    registry.isAsked = isAsked
    const lostBelow = Math.min(this.#lostBelow, nextId)
    this.#lostBelow = lostBelow
    const places = remembered.places.flatMap((place) => stillAsked(place, isAsked))
    const isNews = sizeOf(places) < sizeOf(remembered.places) || lostBelow < remembered.lostBelow
    if (remembered.places.length > 0 && isNews) await saveQuarantine(disk, dir, { places, lostBelow })
  }
}

function sizeOf(places: readonly Quarantined[]): number {
  return places.reduce((sum, { lost }) => sum + 1 + lost.length, 0)
}

/** The place without replicas whose groups are gone; nothing if that was all that was lost there. */
function stillAsked(place: Quarantined, isAsked: KnownIds['isAsked']): readonly Quarantined[] {
  const lost = place.lost.filter(({ group, replica }) => isAsked(group, replica))
  return lost.length > 0 || place.everyGroup ? [{ ...place, lost }] : []
}
