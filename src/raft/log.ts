/**
 * The replicated log (§5.3): durable entries in storage, newer ones in `unstable`, and how far it is committed, handed
 * out for applying, and applied. Invariant: applied <= applying <= committed <= lastIndex.
 */
import { assert } from '../base/assert.ts'
import type { Entry, SnapshotMeta } from '../base/log-entry.ts'
import { ApplyWindow } from './apply-window.ts'
import { entriesBytes, limitBytes } from './entry-size.ts'
import type { LogExtent } from './events.ts'
import type { LogStorage } from './types.ts'
import { type LogPosition, type OnTruncate, Unstable } from './unstable.ts'

export interface RaftLogOptions {
  readonly storage: LogStorage
  readonly maxApplyingBytes: number
  readonly applyUnstable: boolean
  readonly stateLost: boolean
  readonly onTruncate: OnTruncate
}

export class RaftLog {
  readonly unstable: Unstable
  /** There is no state that entries could be applied to, until a snapshot is installed. */
  stateLost: boolean
  readonly #storage: LogStorage
  readonly #applyUnstable: boolean
  readonly #maxApplyingBytes: number
  #window: ApplyWindow
  #committed: number

  constructor(options: RaftLogOptions) {
    this.#storage = options.storage
    this.#applyUnstable = options.applyUnstable
    this.stateLost = options.stateLost
    const first = options.storage.firstIndex()
    this.unstable = new Unstable(options.storage.lastIndex() + 1, options.onTruncate)
    this.#committed = first - 1
    this.#maxApplyingBytes = options.maxApplyingBytes
    this.#window = new ApplyWindow(first - 1, options.maxApplyingBytes)
  }

  get window(): ApplyWindow {
    return this.#window
  }

  get committed(): number {
    return this.#committed
  }

  /** 0 while the state is lost. */
  get applied(): number {
    return this.stateLost ? 0 : this.window.applied
  }

  get lastIndex(): number {
    return this.unstable.lastIndex ?? this.#storage.lastIndex()
  }

  get last(): LogPosition {
    const index = this.lastIndex
    const term = this.term(index)
    assert(term !== undefined, 'the term of the last entry is known')
    return { term, index }
  }

  /** Index of the first entry that can be read; everything before it is in a snapshot. */
  get firstIndex(): number {
    const snapshot = this.unstable.snapshot
    return snapshot === undefined ? this.#storage.firstIndex() : snapshot.index + 1
  }

  /** Undefined if `index` is behind a snapshot or beyond the end. */
  term(index: number): number | undefined {
    const unstable = this.unstable.term(index)
    if (unstable !== undefined) return unstable
    if (index + 1 < this.firstIndex || index > this.lastIndex) return undefined
    return this.#storage.term(index)
  }

  matches(position: LogPosition): boolean {
    return this.term(position.index) === position.term
  }

  /** §5.4.1: whether a candidate whose log ends at `candidate` may be voted for. */
  isUpToDate(candidate: LogPosition): boolean {
    const own = this.last
    return candidate.term > own.term || (candidate.term === own.term && candidate.index >= own.index)
  }

  /** Entries from `lo` to the end, at least one, then up to `bytesMax`; undefined if they are behind a snapshot. */
  entriesFrom(lo: number, bytesMax: number): readonly Entry[] | undefined {
    if (lo > this.lastIndex) return []
    if (lo < this.firstIndex) return undefined
    return this.slice(lo, this.lastIndex + 1, bytesMax)
  }

  /** Entries in [lo, hi), at least one, then up to `bytesMax`. */
  slice(lo: number, hi: number, bytesMax: number): readonly Entry[] {
    assert(lo >= this.firstIndex && hi <= this.lastIndex + 1, 'log entries are read within the log')
    if (lo >= hi) return []
    const offset = this.unstable.offset
    if (lo >= offset) return limitBytes(this.unstable.slice(lo, hi), bytesMax)
    const durableEnd = Math.min(hi, offset)
    const durable = this.#storage.entries(lo, durableEnd, bytesMax)
    // A gap in what storage returns must never become an append with a wrong predecessor.
    assert(durable[0]?.index === lo, 'storage returns entries from the index asked for')
    if (hi <= offset || durable.length < durableEnd - lo) return durable
    const used = entriesBytes(durable)
    if (used >= bytesMax) return durable
    return limitBytes([...durable, ...this.unstable.slice(offset, hi)], bytesMax)
  }

  /** Whether an entry in [lo, hi) is a change of the configuration. */
  hasConfChange(lo: number, hi: number): boolean {
    const { offset } = this.unstable
    if (lo < offset && this.#storage.hasConfChange(lo, Math.min(hi, offset))) return true
    return this.unstable.slice(Math.max(lo, offset), Math.max(hi, offset)).some(({ type }) => type === 'confChange')
  }

  /** The newest one that can be sent, if it ends at `atLeast` or later. */
  snapshot(atLeast = 0): SnapshotMeta | undefined {
    const newest = this.unstable.snapshot ?? this.#storage.snapshot(atLeast)
    return newest !== undefined && newest.index >= atLeast ? newest : undefined
  }

  /** Appends behind, or in place of, what is there. Never touches committed entries. */
  append(entries: readonly Entry[]): void {
    const first = entries[0]
    if (first === undefined) return
    assert(first.index > this.#committed, 'committed entries are never replaced')
    this.unstable.truncateAndAppend(entries)
  }

  commitTo(index: number): void {
    if (index <= this.#committed) return
    assert(index <= this.lastIndex, 'the commit index is within the log: this replica lost entries it had acknowledged')
    this.#committed = index
  }

  /** The log starts again behind `snapshot`, all of which is committed. */
  restore(snapshot: SnapshotMeta): void {
    this.#committed = snapshot.index
    this.unstable.restore(snapshot)
  }

  /** Whatever was applied is gone: a snapshot decides where applying begins again, which may be further back. */
  loseState(): void {
    this.stateLost = true
    this.#window = new ApplyWindow(this.#storage.firstIndex() - 1, this.#maxApplyingBytes)
  }

  get extent(): LogExtent {
    const { offset, offsetInProgress, count } = this.unstable
    const { applied, applying } = this.window
    return { committed: this.#committed, applied, applying, offset, offsetInProgress, entries: count }
  }

  hasCommittedToApply(): boolean {
    return this.#canApply() && this.window.applying < this.#appliable()
  }

  /** Committed entries not handed out yet, within the bound on bytes being applied. */
  committedToApply(): readonly Entry[] {
    if (!this.hasCommittedToApply()) return []
    return this.slice(this.window.applying + 1, this.#appliable() + 1, this.window.room)
  }

  acceptApplying(entries: readonly Entry[]): void {
    this.window.accept(entries, this.#appliable())
  }

  /** The highest index that may be handed out: committed and, unless `applyUnstable`, durable here. */
  #appliable(): number {
    return this.#applyUnstable ? this.#committed : Math.min(this.#committed, this.unstable.offset - 1)
  }

  #canApply(): boolean {
    // While a snapshot waits to be installed there is no state to apply anything to.
    return !this.window.paused && !this.stateLost && this.unstable.snapshot === undefined
  }
}
