/**
 * The replicas a log knows: the live ones with their logs, and the tombstones of those gone for good. Replica ids are
 * never used twice and grow, so one tombstone a group, the highest, says no to all before it.
 */
import { assert } from '../../base/assert.ts'
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import type { RecordInput, WalRecord } from './records.ts'
import { ReplicaLog } from './replica-log.ts'
import type { Segment } from './segment.ts'

interface Tombstone {
  readonly replica: ReplicaId
  readonly lastPlace: number
}

export class Registry {
  readonly #logs = new Map<GroupId, ReplicaLog>()
  readonly #tombstones = new Map<GroupId, Tombstone>()
  /** What the disk knows: a replica without a durable record is not there yet, one whose removal waits still is. */
  readonly #written = new Map<GroupId, ReplicaLog>()
  readonly #onDamage: (error: unknown) => void
  /** Whether the tombstone is for a replica that this node may yet be asked for; any, before that is known. */
  isAsked: (group: GroupId, replica: ReplicaId) => boolean = () => true

  constructor(onDamage: (error: unknown) => void) {
    this.#onDamage = onDamage
  }

  get(group: GroupId): ReplicaLog | undefined {
    return this.#logs.get(group)
  }

  all(): Iterable<ReplicaLog> {
    return this.#logs.values()
  }

  /** The logs as the disk has them: they hold segments. */
  durable(): Iterable<ReplicaLog> {
    return this.#written.values()
  }

  tombstone(group: GroupId): ReplicaId | undefined {
    return this.#tombstones.get(group)?.replica
  }

  /** True if this replica was gone already, or its group goes on under a later one. */
  outlived(group: GroupId, replica: ReplicaId): boolean {
    return (this.tombstone(group) ?? 0) >= replica || (this.#logs.get(group)?.replica ?? 0) > replica
  }

  /** The log that a write of this replica belongs to, created by the first. */
  open(group: GroupId, replica: ReplicaId): ReplicaLog {
    const known = this.#logs.get(group)
    if (known?.replica === replica) return known
    assert(known === undefined || (known.removing && known.replica < replica), 'a replica ends before the next begins')
    assert((this.tombstone(group) ?? 0) < replica, 'a removed replica never comes back')
    const log = new ReplicaLog(group, replica, this.#onDamage)
    this.#logs.set(group, log)
    return log
  }

  /** Makes a durable record take effect on its log, or on the tombstones. Returns the log that `record` fed, if any. */
  apply(record: WalRecord, log: ReplicaLog, segment: Segment, position: number): void {
    if (record.removed) {
      this.bury(record.group, record.replica, segment.number)
      return
    }
    this.#written.set(log.group, log)
    log.apply(record, segment, position)
  }

  /** In recovery: the log of a record, which was written in segment `place` at the latest, unless its replica is gone already. */
  find(record: WalRecord, place: number): ReplicaLog | undefined {
    const known = this.#logs.get(record.group)
    if (known && known.replica >= record.replica) return known.replica === record.replica ? known : undefined
    if ((this.tombstone(record.group) ?? 0) >= record.replica) return undefined
    if (known) this.bury(record.group, known.replica, place)
    return this.open(record.group, record.replica)
  }

  /** The replica and all before it are gone for good; no segment behind number `lastPlace` says anything else of them. */
  bury(group: GroupId, replica: ReplicaId, lastPlace: number): void {
    if ((this.tombstone(group) ?? 0) < replica) this.#tombstones.set(group, { replica, lastPlace })
    for (const logs of [this.#logs, this.#written]) {
      if ((logs.get(group)?.replica ?? Number.POSITIVE_INFINITY) <= replica) logs.delete(group)
    }
  }

  /**
   * For the header of a new segment. A tombstone is forgotten once none of the segments from number `oldest` on holds
   * anything of its replica, and nobody will ask for it.
   */
  states(oldest: number): readonly RecordInput[] {
    const states: RecordInput[] = []
    for (const { group, replica, base, hard } of this.#written.values()) {
      states.push(hard ? { group, replica, base, hard } : { group, replica, base })
    }
    for (const [group, { replica, lastPlace }] of this.#tombstones) {
      if (lastPlace < oldest && !this.isAsked(group, replica)) this.#tombstones.delete(group)
      else states.push({ group, replica, removed: true })
    }
    return states
  }
}
