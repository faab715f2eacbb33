/**
 * One group as it was at the freeze. It is copied once: before the next change of the group, or when its rows' turn comes.
 * Invariant: between the freeze and the copy nothing of the group changes, so that the copy is what the freeze saw.
 */
import { assert } from '../../../base/assert.ts'
import type { RowSink, Store } from '../../view.ts'
import type { Group } from '../group.ts'
import { groupKey, partKey, TAG } from '../keys.ts'
import { encodeRecords, recordOf } from '../outstanding-rows.ts'
import { encodeAcked, encodeGroup, encodeSessions } from '../rows.ts'
import type { Session } from '../session.ts'
import type { SlotColumns } from '../slots.ts'
import { sortedSlots } from './sorted-slots.ts'

/** Bounds one row: about 64 KiB. */
const RECORDS_PER_ROW = 4_096
const SESSIONS_PER_ROW = 512

interface Parts<T> {
  readonly of: T
  /** Rows they make, and rows that there were. */
  readonly rows: number
  readonly before: number
}

interface Copy {
  readonly row: Uint8Array
  readonly acked: Uint8Array | undefined
  readonly sessions: Parts<readonly Session[]> | undefined
  readonly slots: Parts<SlotColumns> | undefined
}

export class FrozenGroup {
  readonly #group: Group
  /** What of it changed since the last freeze. */
  readonly #changed: { readonly sessions: boolean; readonly outstanding: boolean; readonly acked: boolean }
  #copy: Copy | undefined

  constructor(group: Group, store: Store) {
    assert(group.frozen === undefined, 'a group is frozen once at a time')
    const { outstanding, acked } = group
    this.#group = group
    this.#changed = { sessions: group.sessionsChanged, outstanding: outstanding.changed, acked: acked.changed }
    group.sessionsChanged = false
    outstanding.changed = false
    acked.changed = false
    if (this.#changed.outstanding) {
      outstanding.cold.forgetSpent(store)
      outstanding.slots.trim()
    }
    group.frozen = this
  }

  /** It is about to change. */
  copy(): void {
    this.#copy = this.#copied()
    this.#group.frozen = undefined
  }

  *write(to: RowSink): Generator<void, void> {
    if (this.#copy === undefined) this.copy()
    const { number } = this.#group
    const { row, acked, sessions, slots } = this.#copy ?? this.#copied()
    to.put(groupKey(number), row)
    if (acked !== undefined) to.put(partKey(TAG.ackedFences, number, 0), acked)
    yield
    if (sessions !== undefined) yield* this.#writeSessions(to, sessions)
    if (slots !== undefined) yield* this.#writeOutstanding(to, slots)
  }

  #copied(): Copy {
    const group = this.#group
    const { sessions, outstanding, acked } = this.#changed
    const { slots } = group.outstanding
    const before = { sessions: group.sessionRows, outstanding: group.outstandingRows }
    if (sessions) group.sessionRows = Math.ceil(group.sessions.size / SESSIONS_PER_ROW)
    if (outstanding) group.outstandingRows = Math.ceil(slots.size / RECORDS_PER_ROW)
    return {
      row: encodeGroup(group),
      acked: acked ? encodeAcked(group) : undefined,
      sessions: sessions
        ? { of: [...group.sessions.values()], rows: group.sessionRows, before: before.sessions }
        : undefined,
      slots: outstanding ? { of: slots.columns(), rows: group.outstandingRows, before: before.outstanding } : undefined,
    }
  }

  *#writeSessions(to: RowSink, { of, rows, before }: Parts<readonly Session[]>): Generator<void, void> {
    for (let part = 0; part < rows; part++) {
      const sessions = of.slice(part * SESSIONS_PER_ROW, (part + 1) * SESSIONS_PER_ROW)
      to.put(partKey(TAG.sessions, this.#group.number, part), encodeSessions(sessions))
      yield
    }
    this.#removeParts(to, TAG.sessions, rows, before)
  }

  *#writeOutstanding(to: RowSink, { of, rows, before }: Parts<SlotColumns>): Generator<void, void> {
    const sorted = yield* sortedSlots(of)
    for (let part = 0; part < rows; part++) {
      const slots = sorted.subarray(part * RECORDS_PER_ROW, (part + 1) * RECORDS_PER_ROW)
      const records = Array.from(slots, (slot) => recordOf(of, slot))
      to.put(partKey(TAG.outstanding, this.#group.number, part), encodeRecords(records))
      yield
    }
    this.#removeParts(to, TAG.outstanding, rows, before)
  }

  #removeParts(to: RowSink, tag: string, from: number, before: number): void {
    for (let part = from; part < before; part++) to.delete(partKey(tag, this.#group.number, part))
  }
}
