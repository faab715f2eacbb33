/**
 * The end of the log (§5.3) that is not known to be durable: entries from `offset` on, perhaps behind a snapshot to be
 * installed first. Each part is either new, in progress (handed out in a Ready) or, once confirmed, no longer here.
 */
import { assert } from '../base/assert.ts'
import type { Entry, SnapshotMeta } from '../base/log-entry.ts'

export interface LogPosition {
  readonly term: number
  readonly index: number
}

/** Told where entries were replaced; see RaftEvent. */
export type OnTruncate = (from: number, all: boolean) => void

export class Unstable {
  #entries: Entry[] = []
  #offset: number
  #offsetInProgress: number
  #snapshot: SnapshotMeta | undefined
  #snapshotInProgress = false
  readonly #onTruncate: OnTruncate

  constructor(offset: number, onTruncate: OnTruncate) {
    this.#offset = offset
    this.#offsetInProgress = offset
    this.#onTruncate = onTruncate
  }

  /** Everything below is durable. */
  get offset(): number {
    return this.#offset
  }

  get offsetInProgress(): number {
    return this.#offsetInProgress
  }

  get snapshot(): SnapshotMeta | undefined {
    return this.#snapshot
  }

  get count(): number {
    return this.#entries.length
  }

  /** Everything the log has is durable. */
  get isEmpty(): boolean {
    return this.#entries.length === 0 && this.#snapshot === undefined
  }

  get hasNewEntries(): boolean {
    return this.#offsetInProgress < this.#offset + this.#entries.length
  }

  get hasNewSnapshot(): boolean {
    return this.#snapshot !== undefined && !this.#snapshotInProgress
  }

  /** Last index known from here; undefined if storage has to say. */
  get lastIndex(): number | undefined {
    if (this.#entries.length > 0) return this.#offset + this.#entries.length - 1
    return this.#snapshot?.index
  }

  /** Undefined if storage has to say. */
  term(index: number): number | undefined {
    if (index >= this.#offset) return this.#entries[index - this.#offset]?.term
    return this.#snapshot?.index === index ? this.#snapshot.term : undefined
  }

  newEntries(): readonly Entry[] {
    return this.hasNewEntries ? this.#entries.slice(this.#offsetInProgress - this.#offset) : []
  }

  /** Entries in [lo, hi), all of which must be here. */
  slice(lo: number, hi: number): Entry[] {
    assert(lo >= this.#offset && hi <= this.#offset + this.#entries.length, 'unstable entries are asked for in range')
    return this.#entries.slice(lo - this.#offset, hi - this.#offset)
  }

  /** All of it was handed out in a Ready. */
  acceptInProgress(): void {
    this.#offsetInProgress = this.#offset + this.#entries.length
    if (this.#snapshot !== undefined) this.#snapshotInProgress = true
  }

  /**
   * Everything up to `position` is durable. False, and nothing changes, if that is known already, or if the entry there
   * was replaced meanwhile: its own write is still to come.
   */
  stableTo(position: LogPosition): boolean {
    if (position.index < this.#offset || this.term(position.index) !== position.term) return false
    this.#entries = this.#entries.slice(position.index + 1 - this.#offset)
    this.#offset = position.index + 1
    this.#offsetInProgress = Math.max(this.#offsetInProgress, this.#offset)
    return true
  }

  stableSnapshotTo(index: number): void {
    if (this.#snapshot?.index !== index) return
    this.#snapshot = undefined
    this.#snapshotInProgress = false
  }

  /** The log starts again behind `snapshot`. */
  restore(snapshot: SnapshotMeta): void {
    this.#offset = snapshot.index + 1
    this.#offsetInProgress = this.#offset
    this.#entries = []
    this.#snapshot = snapshot
    this.#snapshotInProgress = false
  }

  /** Puts `entries` (at least one, contiguous) at their indexes; whatever was there and behind goes. */
  truncateAndAppend(entries: readonly Entry[]): void {
    const from = entries[0]?.index ?? 0
    const end = this.#offset + this.#entries.length
    assert(from > 0 && from <= end, 'entries are appended without a gap')
    if (from < end || from < this.#offset) this.#truncateTo(from)
    for (const entry of entries) this.#entries.push(entry)
  }

  #truncateTo(from: number): void {
    this.#onTruncate(from, from <= this.#offset)
    // A Ready that holds the old array's entries keeps its own slice; what it wrote from here on is replaced in order.
    this.#entries = this.#entries.slice(0, Math.max(0, from - this.#offset))
    this.#offset = Math.min(this.#offset, from)
    this.#offsetInProgress = Math.min(this.#offsetInProgress, from)
  }
}
