/**
 * A node's logs as they will be once everything handed to them is durable. What the log itself shows is durable; a core
 * builds on what it handed over before.
 */
import type { GroupId } from '../../src/base/ids.ts'
import type { Wal, WalWrite } from '../../src/storage/wal/types.ts'

export class HandedLogs {
  readonly #wal: Wal
  /** By group: writes that are not durable yet, in order. */
  readonly #writes = new Map<GroupId, WalWrite[]>()

  constructor(wal: Wal) {
    this.#wal = wal
  }

  hand(write: WalWrite): void {
    const writes = this.#writes.get(write.group)
    if (writes === undefined) this.#writes.set(write.group, [write])
    else writes.push(write)
  }

  /** The oldest write of the group that was not is durable now. */
  durable(group: GroupId): void {
    this.#writes.get(group)?.shift()
  }

  /** Undefined where the log has no such entry, or no longer. */
  term(group: GroupId, index: number): number | undefined {
    const writes = this.#writes.get(group) ?? []
    for (let at = writes.length - 1; at >= 0; at--) {
      const { entries, snapshot } = writes[at] ?? {}
      const first = entries?.[0]?.index
      if (first !== undefined && index >= first) return entries?.[index - first]?.term
      if (snapshot !== undefined && index <= snapshot.index) return index === snapshot.index ? snapshot.term : undefined
    }
    const log = this.#wal.group(group)
    return log === undefined && index === 0 ? 0 : log?.term(index)
  }
}
