/**
 * The log in memory, short enough to be obviously right: batches become durable after a while, in order. What is durable
 * lives in a `MemoryLogDisk` and outlives a crash; a full disk keeps batches until there is room.
 */
import type { Env } from '../../src/base/env.ts'
import type { GroupId, ReplicaId } from '../../src/base/ids.ts'
import type { Entry, HardState } from '../../src/base/log-entry.ts'
import type { GroupLog, LogPosition, Wal, WalState, WalStats, WalWrite } from '../../src/storage/wal/types.ts'

const WRITE_MS = 1

export class MemoryLogDisk {
  readonly logs = new Map<GroupId, MemoryGroupLog>()
  readonly tombstones = new Map<GroupId, ReplicaId>()
}

export class MemoryWal implements Wal {
  readonly #env: Env
  readonly #disk: MemoryLogDisk
  #queue: { readonly write: WalWrite; readonly done: () => void }[] = []
  #writing = false
  #state: WalState = 'ok'
  /** What {@link laggards} answers. */
  lagging: GroupId[] = []
  /** Every write that was handed over, in order. */
  readonly handed: WalWrite[] = []

  constructor(env: Env, disk: MemoryLogDisk) {
    this.#env = env
    this.#disk = disk
  }

  append(write: WalWrite, done: () => void): void {
    this.handed.push(write)
    this.#queue.push({ write, done })
    this.#start()
  }

  setState(state: WalState): void {
    this.#state = state
    this.#start()
  }

  group(group: GroupId): GroupLog | undefined {
    return this.#disk.logs.get(group)
  }

  groups(): Iterable<GroupLog> {
    return this.#disk.logs.values()
  }

  tombstone(group: GroupId): ReplicaId | undefined {
    return this.#disk.tombstones.get(group)
  }

  /** Keeps nothing for bounds of bytes: what neither recovery nor a follower needs goes. */
  release(group: GroupId, covered: LogPosition, keepFrom: number, heldFrom = Number.POSITIVE_INFINITY): void {
    this.#disk.logs.get(group)?.release(Math.min(covered.index, keepFrom - 1, heldFrom - 1))
  }

  laggards(): readonly GroupId[] {
    return this.lagging
  }

  get state(): WalState {
    return this.#state
  }

  get pendingBytes(): number {
    let bytes = 0
    for (const { write } of this.#queue) for (const { data } of write.entries ?? []) bytes += data.byteLength
    return bytes
  }

  stats(): WalStats {
    return { state: this.#state, bytes: 0, segments: 1, batches: 0, pendingBytes: this.pendingBytes }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #start(): void {
    if (this.#writing || this.#queue.length === 0 || this.#state !== 'ok') return
    this.#writing = true
    this.#env.endOfTurn(() => {
      const batch = this.#queue
      this.#queue = []
      this.#env.after(WRITE_MS, () => this.#written(batch))
    })
  }

  #written(batch: readonly { readonly write: WalWrite; readonly done: () => void }[]): void {
    this.#writing = false
    if (this.#state !== 'ok') {
      this.#queue = [...batch, ...this.#queue]
      return
    }
    for (const { write, done } of batch) {
      this.#store(write)
      done()
    }
    this.#start()
  }

  #store({ group, replica, removed, snapshot, entries = [], hard }: WalWrite): void {
    const { logs, tombstones } = this.#disk
    if (removed) {
      logs.delete(group)
      tombstones.set(group, Math.max(replica, tombstones.get(group) ?? 0))
      return
    }
    const log = logs.get(group) ?? new MemoryGroupLog(group, replica)
    logs.set(group, log)
    log.store(snapshot, entries, hard)
  }
}

export class MemoryGroupLog implements GroupLog {
  readonly group: GroupId
  readonly replica: ReplicaId
  hard: HardState | undefined
  base: LogPosition = { index: 0, term: 0 }
  #entries: Entry[] = []

  constructor(group: GroupId, replica: ReplicaId) {
    this.group = group
    this.replica = replica
  }

  store(snapshot: LogPosition | undefined, entries: readonly Entry[], hard: HardState | undefined): void {
    if (snapshot !== undefined) {
      this.base = snapshot
      this.#entries = []
    }
    const [first] = entries
    if (first !== undefined) {
      if (first.index > this.lastIndex() + 1 || first.index <= this.base.index) throw new Error('the log has a gap')
      this.#entries = [...this.#entries.slice(0, first.index - this.base.index - 1), ...entries]
    }
    if (hard !== undefined) this.hard = hard
  }

  release(index: number): void {
    if (index <= this.base.index) return
    const term = this.term(index)
    if (term === undefined) throw new Error('what is released was never there')
    this.#entries = this.#entries.slice(index - this.base.index)
    this.base = { index, term }
  }

  firstIndex(): number {
    return this.base.index + 1
  }

  lastIndex(): number {
    return this.base.index + this.#entries.length
  }

  term(index: number): number | undefined {
    return index === this.base.index ? this.base.term : this.#entries[index - this.base.index - 1]?.term
  }

  entries(lo: number, hi: number, maxBytes: number): readonly Entry[] {
    const found: Entry[] = []
    let bytes = 0
    for (const entry of this.#entries.slice(lo - this.base.index - 1, hi - this.base.index - 1)) {
      bytes += entry.data.byteLength
      if (found.length > 0 && bytes > maxBytes) break
      found.push(entry)
    }
    return found
  }

  hasConfChange(lo: number, hi: number): boolean {
    return this.#entries.some(({ index, type }) => index >= lo && index < hi && type === 'confChange')
  }

  bytesFrom(index: number): number {
    return this.#entries.slice(Math.max(0, index - this.base.index - 1)).reduce((sum, e) => sum + e.data.byteLength, 0)
  }
}
