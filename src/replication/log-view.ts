/** The durable log of one replica as its core reads it. Before the first append there is none, only a start. */
import type { GroupId } from '../base/ids.ts'
import type { Entry, SnapshotMeta } from '../base/log-entry.ts'
import type { LogStorage } from '../raft/types.ts'
import type { GroupLog, LogPosition, Wal } from '../storage/wal/types.ts'

export class LogView implements LogStorage {
  readonly #wal: Wal
  readonly #group: GroupId
  readonly #start: LogPosition
  readonly #snapshot: (atLeast: number) => SnapshotMeta | undefined
  #log: GroupLog | undefined

  /** `start` holds until the log's first record; `snapshot` answers with what can be sent now. */
  constructor(wal: Wal, group: GroupId, start: LogPosition, snapshot: (atLeast: number) => SnapshotMeta | undefined) {
    this.#wal = wal
    this.#group = group
    this.#start = start
    this.#snapshot = snapshot
  }

  firstIndex(): number {
    return this.#current()?.firstIndex() ?? this.#start.index + 1
  }

  lastIndex(): number {
    return this.#current()?.lastIndex() ?? this.#start.index
  }

  term(index: number): number | undefined {
    const log = this.#current()
    if (log !== undefined) return log.term(index)
    return index === this.#start.index ? this.#start.term : undefined
  }

  entries(lo: number, hi: number, maxBytes: number): readonly Entry[] {
    return this.#current()?.entries(lo, hi, maxBytes) ?? []
  }

  hasConfChange(lo: number, hi: number): boolean {
    return this.#current()?.hasConfChange(lo, hi) ?? false
  }

  snapshot(atLeast: number): SnapshotMeta | undefined {
    return this.#snapshot(atLeast)
  }

  #current(): GroupLog | undefined {
    this.#log ??= this.#wal.group(this.#group)
    return this.#log
  }
}
