/** A durable log in memory: what a node still has after a crash, and what the core reads of it. */
import { assert } from '../../../src/base/assert.ts'
import type { ConfState, Entry, HardState, SnapshotMeta } from '../../../src/base/log-entry.ts'
import { limitBytes } from '../../../src/raft/entry-size.ts'
import type { LogStorage, Ready } from '../../../src/raft/types.ts'

export const NOBODY: ConfState = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false }

export class MemoryLog implements LogStorage {
  hard: HardState = { term: 0, vote: 0, commit: 0 }
  /** What stands for everything before the first entry, and can be sent. */
  base: SnapshotMeta = { index: 0, term: 0, confState: NOBODY }
  /** Newest snapshot to send; the base unless a later one was taken. */
  newest: SnapshotMeta | undefined
  list: Entry[] = []

  firstIndex(): number {
    return this.base.index + 1
  }

  lastIndex(): number {
    return this.base.index + this.list.length
  }

  term(index: number): number | undefined {
    return index === this.base.index ? this.base.term : this.list[index - this.base.index - 1]?.term
  }

  entries(lo: number, hi: number, maxBytes: number): readonly Entry[] {
    assert(lo > this.base.index && hi <= this.lastIndex() + 1, 'the core reads within the durable log')
    return limitBytes(this.list.slice(lo - this.base.index - 1, hi - this.base.index - 1), maxBytes)
  }

  hasConfChange(lo: number, hi: number): boolean {
    return this.list.some(({ index, type }) => index >= lo && index < hi && type === 'confChange')
  }

  snapshot(): SnapshotMeta | undefined {
    return this.newest ?? this.base
  }

  append(entries: readonly Entry[]): void {
    const first = entries[0]
    if (first === undefined) return
    assert(first.index > this.base.index && first.index <= this.lastIndex() + 1, 'the durable log has no gap')
    this.list.length = first.index - this.base.index - 1
    this.list.push(...entries)
  }

  /** Throws away everything up to `snapshot.index`, which was applied. */
  compact(snapshot: SnapshotMeta): void {
    this.list = this.list.slice(snapshot.index - this.base.index)
    this.base = snapshot
    if (this.newest !== undefined && this.newest.index < snapshot.index) this.newest = undefined
  }

  install(snapshot: SnapshotMeta): void {
    this.list = []
    this.base = snapshot
    this.newest = undefined
  }

  /** What a Ready asks to be made durable, in its order. */
  write(ready: Pick<Ready, 'hard' | 'entries' | 'snapshot' | 'keepsLog'>): void {
    if (ready.snapshot !== undefined && !ready.keepsLog) this.install(ready.snapshot)
    this.append(ready.entries)
    if (ready.hard !== undefined) this.hard = ready.hard
  }
}
