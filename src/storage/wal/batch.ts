/**
 * What was appended and not yet written, and the batch made of it. Invariant: writes leave in order of append, behind
 * the records that free a segment: those copy the durable log, and what was appended follows on top.
 */
import { assert } from '../../base/assert.ts'
import { TURNS_PER_ROUND, WRITES_PER_BATCH } from '../../base/limits.ts'
import type { RecentCache } from './recent.ts'
import { decodeTable, type RecordInput } from './records.ts'
import type { Registry } from './registry.ts'
import type { ReleasePlan } from './release.ts'
import type { ReplicaLog } from './replica-log.ts'
import type { WrittenFrame } from './segment-files.ts'
import type { WalWrite } from './types.ts'

/** Appended data beyond this waits for the next batch: bounds one write's memory and time. */
const BATCH_BYTES_MAX = 32 * 1024 * 1024
/** What a write costs beside its data. */
const WRITE_OVERHEAD_BYTES = 128

interface Pending {
  readonly log: ReplicaLog
  readonly input: RecordInput
  /** undefined for records of the log's own making. */
  readonly done: (() => void) | undefined
  readonly bytes: number
}

export interface Batch {
  readonly writes: readonly Pending[]
  /** The segment that goes when this is durable. */
  readonly release: ReleasePlan | undefined
}

export class Collector {
  #pending: Pending[] = []
  #bytes = 0

  /** Appended and not yet durable, the batch on its way included. */
  get bytes(): number {
    return this.#bytes
  }

  get empty(): boolean {
    return this.#pending.length === 0
  }

  add(log: ReplicaLog, write: WalWrite, done: () => void): void {
    const { group, replica, removed, snapshot: mark, entries, hard } = write
    let bytes = WRITE_OVERHEAD_BYTES
    for (const { data } of entries ?? []) bytes += data.byteLength
    const input: RecordInput = {
      group,
      replica,
      ...(removed && { removed }),
      ...(mark && { mark }),
      ...(entries && { entries }),
      ...(hard && { hard }),
    }
    this.#pending.push({ log, input, done, bytes })
    this.#bytes += bytes
  }

  /** Everything appended so far, up to the bounds of one batch. */
  close(release: ReleasePlan | undefined): Batch {
    const copies = release ? this.freeing(release).writes : []
    // A sync costs the same for many: more groups than fit a batch must not wait for ever more of them.
    const most = Math.max(WRITES_PER_BATCH, Math.ceil(this.#pending.length / TURNS_PER_ROUND))
    let bytes = 0
    let count = 0
    for (const write of this.#pending) {
      if (count === most || (count > 0 && bytes + write.bytes > BATCH_BYTES_MAX)) break
      bytes += write.bytes
      count++
    }
    const taken = this.#pending
    this.#pending = taken.slice(count)
    taken.length = count
    return { writes: copies.length === 0 ? taken : copies.concat(taken), release }
  }

  /** Nothing but what frees a segment, for when an earlier batch waits for its room. */
  freeing(release: ReleasePlan): Batch {
    return { writes: release.records().map((record) => ({ ...record, done: undefined, bytes: 0 })), release }
  }

  /** The batch is durable: its records take effect. Callbacks come later. */
  settle({ writes }: Batch, written: WrittenFrame, registry: Registry, cache: RecentCache): void {
    const { frame, segment, payloadPosition } = written
    const table = decodeTable(frame.table, frame.records)
    assert(table?.records.length === writes.length, 'what was encoded decodes')
    let position = payloadPosition
    for (const [i, { log, input, bytes }] of writes.entries()) {
      const record = table.records[i]
      assert(record, 'a record per write')
      segment.touch(record)
      registry.apply(record, log, segment, position)
      if (input.entries) cache.add(segment.recent, position, input.entries)
      position += record.rows?.bytes ?? 0
      this.#bytes -= bytes
    }
  }

  /** Nothing of it will ever be written. */
  drop(): void {
    this.#pending = []
  }
}
