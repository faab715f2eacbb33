/**
 * Columns of a group's outstanding messages, one slot each, found by message index. Slots are reused in any order, so
 * nothing that replicas must agree on may follow from a slot's number. Columns are public: this is a table, not an object.
 */
import { assert } from '../../base/assert.ts'
import type { Session } from './session.ts'

/** No slot, no neighbour. */
export const NONE = -1
const FIRST_CAPACITY = 16
const TRIM_ABOVE = 1024
/** Columns and hash table, with the holder's reference. */
const BYTES_PER_SLOT = 5 * 8 + 4 * 4 + 1 + 2 * 4 + 8

/** What outlasts a restart of each slot; a slot that is free has no index. */
export interface SlotColumns {
  readonly due: Float64Array
  readonly index: Float64Array
  readonly fence: Float64Array
  readonly time: Float64Array
  readonly leaseMs: Float64Array
  readonly count: Int32Array
  readonly hasReason: Uint8Array
  readonly holder: readonly (Session | undefined)[]
}

export class Slots implements SlotColumns {
  due = new Float64Array(FIRST_CAPACITY)
  index = new Float64Array(FIRST_CAPACITY)
  /** Of the current lease; 0: waiting. */
  fence = new Float64Array(FIRST_CAPACITY)
  /** What the heap orders by: a lease's deadline, or the time from which a waiting one is redelivered. */
  time = new Float64Array(FIRST_CAPACITY)
  leaseMs = new Float64Array(FIRST_CAPACITY)
  /** Deliveries so far. */
  count = new Int32Array(FIRST_CAPACITY)
  /** Place in the one heap that holds the slot. */
  place = new Int32Array(FIRST_CAPACITY)
  /** Neighbours among the leases of one session; `next` also chains free slots. */
  next = new Int32Array(FIRST_CAPACITY)
  previous = new Int32Array(FIRST_CAPACITY)
  /** 1: a reason of the last nack lies in the store. */
  hasReason = new Uint8Array(FIRST_CAPACITY)
  holder: (Session | undefined)[] = []
  size = 0
  #used = 0
  #free = NONE
  /** Open addressing, slot + 1 by hash of the index; 0: empty. At most half full. */
  #table = new Int32Array(FIRST_CAPACITY * 2)

  get capacity(): number {
    return this.due.length
  }

  bytes(): number {
    return this.capacity * BYTES_PER_SLOT
  }

  /** The slot of a message, or NONE. */
  find(index: number): number {
    const table = this.#table
    const mask = table.length - 1
    for (let at = hash(index) & mask; ; at = (at + 1) & mask) {
      const slot = (table[at] as number) - 1
      if (slot < 0) return NONE
      if (this.index[slot] === index) return slot
    }
  }

  /** A slot for a message that has none. The caller fills the other columns. */
  add(due: number, index: number): number {
    if (this.#free === NONE && this.#used === this.capacity) this.#grow()
    let slot = this.#free
    if (slot === NONE) slot = this.#used++
    else this.#free = this.next[slot] as number
    this.due[slot] = due
    this.index[slot] = index
    this.hasReason[slot] = 0
    this.holder[slot] = undefined
    this.size++
    this.#enter(slot)
    return slot
  }

  remove(slot: number): void {
    this.#leave(slot)
    this.index[slot] = NONE
    this.holder[slot] = undefined
    this.next[slot] = this.#free
    this.#free = slot
    this.size--
  }

  /** A copy. */
  columns(): SlotColumns {
    const used = this.#used
    return {
      due: this.due.slice(0, used),
      index: this.index.slice(0, used),
      fence: this.fence.slice(0, used),
      time: this.time.slice(0, used),
      leaseMs: this.leaseMs.slice(0, used),
      count: this.count.slice(0, used),
      hasReason: this.hasReason.slice(0, used),
      holder: this.holder.slice(0, used),
    }
  }

  /** Every slot in use, in no order. */
  *live(): Iterable<number> {
    for (let slot = 0; slot < this.#used; slot++) if (this.index[slot] !== NONE) yield slot
  }

  /** Slot with the lowest position, or NONE. */
  lowest(): number {
    const { due, index } = this
    let lowest = NONE
    for (let slot = 0; slot < this.#used; slot++) {
      if (index[slot] === NONE) continue
      if (lowest === NONE || (due[slot] as number) < (due[lowest] as number)) lowest = slot
      else if (due[slot] === due[lowest] && (index[slot] as number) < (index[lowest] as number)) lowest = slot
    }
    return lowest
  }

  /** Gives memory back after a time with many. */
  trim(): void {
    if (this.size > 0 || this.capacity <= TRIM_ABOVE) return
    this.#used = 0
    this.#free = NONE
    this.#allocate(FIRST_CAPACITY)
  }

  #enter(slot: number): void {
    const table = this.#table
    const mask = table.length - 1
    let at = hash(this.index[slot] as number) & mask
    while (table[at] !== 0) at = (at + 1) & mask
    table[at] = slot + 1
  }

  /** Closes the gap, so that no search ends too early and no tombstones gather. */
  #leave(slot: number): void {
    const table = this.#table
    const mask = table.length - 1
    let gap = hash(this.index[slot] as number) & mask
    while (table[gap] !== slot + 1) {
      assert(table[gap] !== 0, 'an outstanding message is in the hash table')
      gap = (gap + 1) & mask
    }
    for (let at = (gap + 1) & mask; table[at] !== 0; at = (at + 1) & mask) {
      const home = hash(this.index[(table[at] as number) - 1] as number) & mask
      // The entry may move back to the gap unless its home lies cyclically behind the gap.
      if (((at - home) & mask) < ((at - gap) & mask)) continue
      table[gap] = table[at] as number
      gap = at
    }
    table[gap] = 0
  }

  #grow(): void {
    const capacity = this.capacity * 2
    this.#allocate(capacity)
    for (let slot = 0; slot < this.#used; slot++) this.#enter(slot)
  }

  /** Takes what is in use along. */
  #allocate(capacity: number): void {
    this.due = resized(this.due, new Float64Array(capacity), this.#used)
    this.index = resized(this.index, new Float64Array(capacity), this.#used)
    this.fence = resized(this.fence, new Float64Array(capacity), this.#used)
    this.time = resized(this.time, new Float64Array(capacity), this.#used)
    this.leaseMs = resized(this.leaseMs, new Float64Array(capacity), this.#used)
    this.count = resized(this.count, new Int32Array(capacity), this.#used)
    this.place = resized(this.place, new Int32Array(capacity), this.#used)
    this.next = resized(this.next, new Int32Array(capacity), this.#used)
    this.previous = resized(this.previous, new Int32Array(capacity), this.#used)
    this.hasReason = resized(this.hasReason, new Uint8Array(capacity), this.#used)
    this.holder.length = this.#used
    this.#table = new Int32Array(capacity * 2)
  }
}

function hash(index: number): number {
  const mixed = Math.imul((index % 2 ** 32) ^ (index / 2 ** 32), 0x9e3779b1)
  return mixed ^ (mixed >>> 15)
}

function resized<T extends Float64Array | Int32Array | Uint8Array>(from: T, to: T, used: number): T {
  to.set(from.subarray(0, used))
  return to
}
