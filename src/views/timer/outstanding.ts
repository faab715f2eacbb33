/**
 * Outstanding messages of a group: leased, due for redelivery, or waiting for a later time. Leased and due ones count
 * against OUTSTANDING_MAX; later ones do not, and beyond a small number they lie in cold blocks of the store.
 * Invariant: every slot is in exactly one of the three heaps, and in its session's chain iff it is leased.
 */
import { assert } from '../../base/assert.ts'
import { OUTSTANDING_MAX } from '../../base/limits.ts'
import type { Reader, Store } from '../view.ts'
import { ColdRedeliveries } from './cold.ts'
import type { Position } from './commands.ts'
import { byPosition, type OutstandingRecord, recordOf } from './outstanding-rows.ts'
import type { Session } from './session.ts'
import { SlotHeap } from './slot-heap.ts'
import { NONE, Slots } from './slots.ts'

export interface LeaseTerms {
  readonly session: Session
  readonly fence: number
  readonly deadline: number
  readonly leaseMs: number
}

/** Later redeliveries in memory before the later half goes to the store, and the size of the blocks it goes in. */
const LATER_MAX = 16_384
const BLOCK_MAX = 4_096
/**
 * Counted ones in memory, and leases: more than redeliveries that come due beside what is counted ever make. Only a command
 * that no honest leader computes goes further.
 */
export const COUNTED_MAX = 1.5 * OUTSTANDING_MAX
/** Cold blocks that are read back at once outside apply: what of a turn that takes is short. */
const THAW_BLOCKS = 1

export class Outstanding {
  readonly slots = new Slots()
  readonly cold: ColdRedeliveries
  /** What the next freeze must take along; also a query that reads cold blocks back sets it. */
  changed = false
  readonly leased = new SlotHeap(this.slots)
  readonly #due = new SlotHeap(this.slots)
  readonly #later = new SlotHeap(this.slots)
  /** Slot with the lowest position; NONE: not known. */
  #lowest = NONE

  constructor(group: number) {
    this.cold = new ColdRedeliveries(group)
  }

  /** What counts against the bound, as of the last {@link settle}. */
  get counted(): number {
    return this.leased.size + this.#due.size
  }

  /** Waiting for redelivery, now or later, in memory or cold. */
  get waiting(): number {
    return this.#due.size + this.#later.size + this.cold.size
  }

  bytes(): number {
    const heaps = this.leased.bytes() + this.#due.bytes() + this.#later.bytes()
    return this.slots.bytes() + heaps + this.cold.bytes()
  }

  /**
   * Time has come to `at`: later redeliveries become due, cold ones among them. At the bound the rest stays cold, since
   * nothing more would be handed out. What lies cold is no part of the meaning: {@link counted} is the same up to the bound.
   */
  settle(at: number, store: Store): void {
    this.becomeDue(at)
    while (this.cold.firstTime() <= at && this.counted < OUTSTANDING_MAX) {
      this.#takeCold(at, store)
      this.spill(at, store)
    }
    this.spill(at, store)
  }

  /**
   * Of these messages, what waits cold and is due comes to memory. Replicas differ in what lies cold, since questions and
   * restarts move it; what a deliver command finds must not.
   */
  fetch(indexes: readonly number[], at: number, store: Store): void {
    if (this.cold.firstTime() > at) return
    const missing = new Set(indexes.filter((index) => this.slots.find(index) === NONE))
    if (missing.size === 0) return
    this.#warm(this.cold.takeHolding(store, missing, at, COUNTED_MAX - this.counted), at)
  }

  /** Whether {@link thaw} would read anything. */
  thaws(until: number): boolean {
    const room = this.counted < OUTSTANDING_MAX && this.#later.size <= LATER_MAX * 2
    return room && this.cold.firstTime() <= until
  }

  /**
   * {@link settle} outside apply, which may read rows but writes none: few blocks, until the next settle spills again.
   * `change` is called once they are read, before anything changes, and says at' of then.
   */
  async thaw(reader: Reader, until: number, change: () => number): Promise<void> {
    if (!this.thaws(until)) return
    const read = await this.cold.readFirst(reader, THAW_BLOCKS, until)
    const at = change()
    this.#warm(this.cold.takeRead(read), at)
  }

  /** Redeliveries in memory whose time has come. */
  becomeDue(at: number): void {
    while (this.#later.firstTime() <= at) {
      const slot = this.#later.first()
      this.#later.remove(slot)
      this.#due.push(slot)
    }
  }

  addLease(due: number, index: number, terms: LeaseTerms): void {
    const slot = this.#add(due, index, 1)
    this.#hold(slot, terms)
  }

  /** Passed over, or meant for a session that is gone: redelivered at its own place. */
  addWaiting(due: number, index: number): void {
    const slot = this.#add(due, index, 0)
    this.slots.fence[slot] = 0
    this.slots.time[slot] = due
    this.#due.push(slot)
  }

  /** A due one is delivered again. */
  lease(slot: number, terms: LeaseTerms): void {
    this.changed = true
    this.#due.remove(slot)
    this.slots.count[slot] = (this.slots.count[slot] as number) + 1
    this.#hold(slot, terms)
  }

  /** A lease ends without an ack: redelivered from `time` on. */
  release(slot: number, time: number, at: number): void {
    this.changed = true
    this.leased.remove(slot)
    this.#unchain(slot)
    this.slots.fence[slot] = 0
    this.slots.time[slot] = time
    ;(time <= at ? this.#due : this.#later).push(slot)
  }

  /** A lease ends with an ack: done. */
  finish(slot: number): void {
    this.leased.remove(slot)
    this.#unchain(slot)
    this.#remove(slot)
  }

  extend(slot: number, deadline: number, leaseMs: number): void {
    this.changed = true
    this.leased.remove(slot)
    this.slots.time[slot] = deadline
    this.slots.leaseMs[slot] = leaseMs
    this.leased.push(slot)
  }

  /** Called after nacks: keeps the later redeliveries in memory few, and due ones no more than may be handed out. */
  spill(at: number, store: Store): void {
    if (this.#later.size > LATER_MAX) this.becomeDue(at)
    if (this.#later.size > LATER_MAX) this.#cool(this.#later, this.#later.size - LATER_MAX / 2, store)
    if (this.counted > COUNTED_MAX) this.#cool(this.#due, this.counted - OUTSTANDING_MAX, store)
  }

  isLeased(slot: number): boolean {
    return (this.slots.fence[slot] as number) !== 0
  }

  /** Slot of the lease that (index, fence) names, or NONE if that is not the current one. */
  held(index: number, fence: number): number {
    const slot = this.slots.find(index)
    return slot !== NONE && fence !== 0 && this.slots.fence[slot] === fence ? slot : NONE
  }

  /** Waiting slots by (time, index): the due ones come before the later ones. */
  ready(until: number, limit: number): number[] {
    const due = this.#due.firsts(until, limit)
    return due.length === limit ? due : due.concat(this.#later.firsts(until, limit - due.length))
  }

  /** How many {@link ready} would give. */
  readyCount(until: number, limit: number): number {
    const due = this.#due.countUntil(until, limit)
    return due + this.#later.countUntil(until, limit - due)
  }

  nextReadyAt(): number {
    return Math.min(this.#due.firstTime(), this.#later.firstTime(), this.cold.firstTime())
  }

  /** The lowest outstanding position. */
  lowest(): Position | undefined {
    if (this.#lowest === NONE) this.#lowest = this.slots.lowest()
    const cold = this.cold.lowest()
    if (this.#lowest === NONE) return cold
    const own = { due: this.slots.due[this.#lowest] as number, index: this.slots.index[this.#lowest] as number }
    return cold !== undefined && byPosition(cold, own) < 0 ? cold : own
  }

  /** What a row says of a slot. */
  record(slot: number): OutstandingRecord {
    return recordOf(this.slots, slot)
  }

  /** The opposite of {@link record}; `session` is the one that its lease names. */
  restore(record: OutstandingRecord, session: Session | undefined, at: number): void {
    const slot = this.#add(record.due, record.index, record.count)
    this.slots.hasReason[slot] = record.hasReason ? 1 : 0
    if (record.lease !== undefined) {
      assert(session !== undefined, 'a lease belongs to a session')
      const { fence, leaseMs } = record.lease
      this.#hold(slot, { session, fence, leaseMs, deadline: record.time })
      return
    }
    this.slots.fence[slot] = 0
    this.slots.time[slot] = record.time
    ;(record.time <= at ? this.#due : this.#later).push(slot)
  }

  #add(due: number, index: number, count: number): number {
    this.changed = true
    const slot = this.slots.add(due, index)
    this.slots.count[slot] = count
    if (this.#lowest !== NONE && this.#isLower(slot)) this.#lowest = slot
    return slot
  }

  #remove(slot: number): void {
    this.changed = true
    if (slot === this.#lowest) this.#lowest = NONE
    this.slots.remove(slot)
  }

  /** The last `count` of a heap go to the store. */
  #cool(heap: SlotHeap, count: number, store: Store): void {
    const slots = heap.descending().subarray(0, count)
    for (let from = 0; from < slots.length; from += BLOCK_MAX) {
      const block = slots.subarray(from, from + BLOCK_MAX)
      this.cold.put(
        store,
        Array.from(block, (slot) => this.record(slot)),
      )
      for (const slot of block) {
        heap.remove(slot)
        this.#remove(slot)
      }
    }
  }

  #isLower(slot: number): boolean {
    const { due, index } = this.slots
    const difference = (due[slot] as number) - (due[this.#lowest] as number)
    return difference < 0 || (difference === 0 && (index[slot] as number) < (index[this.#lowest] as number))
  }

  #takeCold(at: number, store: Store): void {
    this.#warm(this.cold.take(store), at)
  }

  /** A cold block that another node made up may name what is in memory: that counts, once. */
  #warm(records: readonly OutstandingRecord[], at: number): void {
    for (const record of records) {
      if (this.slots.find(record.index) === NONE) this.restore(record, undefined, at)
    }
  }

  #hold(slot: number, { session, fence, deadline, leaseMs }: LeaseTerms): void {
    const { slots } = this
    slots.fence[slot] = fence
    slots.time[slot] = deadline
    slots.leaseMs[slot] = leaseMs
    slots.holder[slot] = session
    slots.previous[slot] = NONE
    slots.next[slot] = session.head
    if (session.head !== NONE) slots.previous[session.head] = slot
    session.head = slot
    session.leased++
    this.leased.push(slot)
  }

  #unchain(slot: number): void {
    const { next, previous, holder } = this.slots
    const session = holder[slot]
    assert(session !== undefined, 'a lease has a holder')
    const after = next[slot] as number
    const before = previous[slot] as number
    if (before === NONE) session.head = after
    else next[before] = after
    if (after !== NONE) previous[after] = before
    holder[slot] = undefined
    session.leased--
  }
}
