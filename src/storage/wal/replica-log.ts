/**
 * The durable log of one replica, as the frames applied so far make it; running and recovering apply the same records.
 * Invariant: entries are contiguous from `base.index + 1` to `lastIndex()`, except while recovery has yet to meet the
 * base that covers what released segments held (`missingBelow`).
 */
import { assert } from '../../base/assert.ts'
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import type { Entry, HardState } from '../../base/log-entry.ts'
import { rowTerm, type WalRecord } from './records.ts'
import type { Segment } from './segment.ts'
import { Span, TermSteps } from './span.ts'
import type { GroupLog, LogPosition, WalWrite } from './types.ts'

export class ReplicaLog implements GroupLog {
  readonly group: GroupId
  readonly replica: ReplicaId
  readonly #onDamage: (error: unknown) => void
  readonly #spans: Span[] = []
  readonly #terms = new TermSteps()
  #hard: HardState | undefined
  #base: LogPosition = { index: 0, term: 0 }
  #missingBelow = 0
  /** What `append` accepted, durable or not. */
  #acceptedBase = 0
  #acceptedLast = 0
  #removing = false
  #covered = 0
  #keepFrom = Number.POSITIVE_INFINITY
  #heldFrom = Number.POSITIVE_INFINITY

  /** `onDamage` hears of a read that fails, before it throws. */
  constructor(group: GroupId, replica: ReplicaId, onDamage: (error: unknown) => void) {
    this.group = group
    this.replica = replica
    this.#onDamage = onDamage
  }

  get hard(): HardState | undefined {
    return this.#hard
  }

  get base(): LogPosition {
    return this.#base
  }

  /** True from the append that removes it. */
  get removing(): boolean {
    return this.#removing
  }

  /** Highest index that recovery needs from elsewhere: the state on the disk covers everything up to here. */
  get covered(): number {
    return this.#covered
  }

  /** Lowest index a follower still asks for. */
  get keepFrom(): number {
    return this.#keepFrom
  }

  /** Lowest index that somebody needs to whom a snapshot is on its way. */
  get heldFrom(): number {
    return this.#heldFrom
  }

  firstIndex(): number {
    return this.#base.index + 1
  }

  lastIndex(): number {
    return this.#spans.at(-1)?.last ?? this.#base.index
  }

  term(index: number): number | undefined {
    if (index === this.#base.index) return this.#base.term
    return index > this.#base.index && index <= this.lastIndex() ? this.#terms.at(index) : undefined
  }

  entries(lo: number, hi: number, maxBytes: number): readonly Entry[] {
    assert(lo >= this.firstIndex() && lo < hi && hi <= this.lastIndex() + 1, 'entries are read within the log')
    const out: Entry[] = []
    let bytes = 0
    let next = lo
    try {
      while (next < hi && (next === lo || bytes < maxBytes)) {
        const before = out.length
        if (!this.#readSpan(next, hi, Math.max(0, maxBytes - bytes), out)) break
        for (let i = before; i < out.length; i++) bytes += out[i]?.data.byteLength ?? 0
        next = lo + out.length
      }
    } catch (error) {
      this.#onDamage(error)
      throw error
    }
    return out
  }

  hasConfChange(lo: number, hi: number): boolean {
    return this.#spans.some((span) => span.last >= lo && span.first < hi && span.hasConfChange(lo, hi))
  }

  bytesFrom(index: number): number {
    let bytes = 0
    for (const span of this.#spans) {
      if (span.last >= index) bytes += span.bytesFrom(Math.max(index, span.first))
    }
    return bytes
  }

  /** Takes note of what is about to be written; a write that breaks the log is a bug of the caller. */
  accept(write: WalWrite): void {
    assert(!this.#removing, 'a removed replica writes no more')
    if (write.removed) {
      assert(!write.snapshot && !write.entries?.length && !write.hard, 'a tombstone comes alone')
      this.#removing = true
    }
    if (write.snapshot) {
      this.#acceptedBase = write.snapshot.index
      this.#acceptedLast = write.snapshot.index
    }
    const first = write.entries?.[0]?.index
    if (write.entries === undefined || first === undefined) return
    const base = Math.max(this.#acceptedBase, this.#base.index)
    assert(first > base && first <= this.#acceptedLast + 1, 'a write joins the log without a gap')
    for (let i = 0; i < write.entries.length; i++) {
      assert(write.entries[i]?.index === first + i, 'the entries of a write are contiguous')
    }
    this.#acceptedLast = first + write.entries.length - 1
  }

  /** Makes a durable record take effect; its entries' data begins at `position` of `segment`. */
  apply(record: WalRecord, segment: Segment, position: number): void {
    if (record.mark) this.#restart(record.mark)
    if (record.base) this.#giveUp(record.base)
    if (record.rows) {
      const { first, count } = record.rows
      this.#truncate(first)
      let span = this.#spans.at(-1)
      if (span?.segment !== segment || span.last + 1 !== first) {
        span = new Span(segment, first)
        this.#spans.push(span)
      }
      span.append(record.rows, position)
      for (let i = 0; i < count; i++) this.#terms.push(first + i, rowTerm(record.rows, i))
    }
    if (record.hard) this.#hard = record.hard
  }

  /** After recovery: false if entries between base and the first one present are missing. Opens it for appending. */
  settle(): boolean {
    this.#acceptedBase = this.#base.index
    this.#acceptedLast = this.lastIndex()
    return this.#missingBelow <= this.#base.index
  }

  /**
   * Notes what the state on the disk covers and what followers need. Each may be less than before: a state that an older
   * snapshot has healed needs more of the log again. Returns false if nothing more can go for it.
   */
  release(covered: LogPosition, keepFrom: number, heldFrom: number): boolean {
    const own = this.term(covered.index)
    assert(own === undefined || own === covered.term, 'a checkpoint stands for an entry of this log')
    const more = covered.index > this.#covered || keepFrom > this.#keepFrom || heldFrom > this.#heldFrom
    this.#covered = covered.index
    this.#keepFrom = keepFrom
    this.#heldFrom = heldFrom
    return more
  }

  /** Last index this log has in `segment`; undefined when it has none. Segments are asked oldest first. */
  lastIn(segment: Segment): number | undefined {
    let last: number | undefined
    for (const span of this.#spans) {
      if (span.segment === segment) last = span.last
      else if (span.segment.number > segment.number) break
    }
    return last
  }

  /** Whether it has an entry in `segment` or an older one that no checkpoint covers. */
  uncoveredIn(segment: Segment): boolean {
    const from = Math.max(this.#covered, this.#base.index) + 1
    const span = this.#spans.find(({ last }) => last >= from)
    return span !== undefined && span.segment.number <= segment.number
  }

  #readSpan(lo: number, hi: number, maxBytes: number, out: Entry[]): boolean {
    const span = this.#spans.findLast((one) => one.first <= lo)
    assert(span && span.last >= lo, 'every entry of the log has a place')
    const before = out.length
    const bytes = span.read(lo, hi, maxBytes, (index) => this.#terms.at(index), out)
    if (bytes <= maxBytes || before === 0) return true
    out.length = before
    return false
  }

  #restart(mark: LogPosition): void {
    this.#spans.length = 0
    this.#terms.clear()
    this.#base = mark
    this.#missingBelow = 0
  }

  #giveUp(base: LogPosition): void {
    if (base.index <= this.#base.index) return
    this.#base = base
    const keep = this.#spans.findIndex((span) => span.last > base.index)
    this.#spans.splice(0, keep < 0 ? this.#spans.length : keep)
    if (this.#spans.length === 0) this.#terms.clear()
    else this.#terms.dropBefore(base.index + 1)
  }

  #truncate(index: number): void {
    const joins = index <= this.lastIndex() + 1 && index >= (this.#spans[0]?.first ?? this.#base.index + 1)
    if (!joins) {
      // Only in recovery: what lay between was released, and the base that says so comes later.
      this.#missingBelow = index - 1
      this.#spans.length = 0
      this.#terms.clear()
      return
    }
    for (let span = this.#spans.at(-1); span && span.last >= index; span = this.#spans.at(-1)) {
      span.truncate(index)
      // What a base has given up may still stand at the beginning of the span: alone it holds no segment.
      if (span.last >= span.first && span.last > this.#base.index) break
      this.#spans.pop()
    }
    this.#terms.truncate(index)
  }
}
