/**
 * A binary heap of slots by (time, index), where each slot knows its place: removal from the middle is exact, so nothing
 * stale gathers. A slot is in one heap at a time, because the heaps of a group share the `place` column.
 */
import { assert } from '../../base/assert.ts'
import { NONE, type Slots } from './slots.ts'

export class SlotHeap {
  readonly #slots: Slots
  #heap = new Int32Array(16)
  #size = 0

  constructor(slots: Slots) {
    this.#slots = slots
  }

  get size(): number {
    return this.#size
  }

  bytes(): number {
    return this.#heap.byteLength
  }

  /** The first slot, or NONE. */
  first(): number {
    return this.#size === 0 ? NONE : (this.#heap[0] as number)
  }

  /** Time of the first slot; Infinity when empty. */
  firstTime(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#slots.time[this.#heap[0] as number] as number)
  }

  push(slot: number): void {
    if (this.#size === this.#heap.length) {
      const larger = new Int32Array(this.#heap.length * 2)
      larger.set(this.#heap)
      this.#heap = larger
    }
    this.#up(this.#size++, slot)
  }

  remove(slot: number): void {
    const place = this.#slots.place[slot] as number
    assert(this.#heap[place] === slot && place < this.#size, 'a slot is in the heap that it says')
    const last = this.#heap[--this.#size] as number
    if (last === slot) return
    if (place > 0 && this.#before(last, this.#heap[(place - 1) >> 1] as number)) this.#up(place, last)
    else this.#down(place, last)
  }

  /** Up to `limit` slots with time <= until, in order. */
  firsts(until: number, limit: number): number[] {
    const found: number[] = []
    while (found.length < limit && this.#size > 0 && this.firstTime() <= until) {
      const slot = this.first()
      this.remove(slot)
      found.push(slot)
    }
    for (const slot of found) this.push(slot)
    return found
  }

  /** How many have time <= until, counted up to `limit`. Looks at those and their neighbours, and moves none. */
  countUntil(until: number, limit: number): number {
    return this.#countBelow(0, until, limit)
  }

  /** All slots, latest first. */
  descending(): Int32Array {
    return this.#heap.slice(0, this.#size).sort((a, b) => (this.#before(a, b) ? 1 : -1))
  }

  #countBelow(at: number, until: number, limit: number): number {
    if (limit <= 0 || at >= this.#size || (this.#slots.time[this.#heap[at] as number] as number) > until) return 0
    const left = 1 + this.#countBelow(at * 2 + 1, until, limit - 1)
    return left + this.#countBelow(at * 2 + 2, until, limit - left)
  }

  #up(from: number, slot: number): void {
    const { place } = this.#slots
    let at = from
    while (at > 0) {
      const parentAt = (at - 1) >> 1
      const parent = this.#heap[parentAt] as number
      if (!this.#before(slot, parent)) break
      this.#heap[at] = parent
      place[parent] = at
      at = parentAt
    }
    this.#heap[at] = slot
    place[slot] = at
  }

  #down(from: number, slot: number): void {
    const { place } = this.#slots
    let at = from
    for (;;) {
      let childAt = at * 2 + 1
      if (childAt >= this.#size) break
      const right = childAt + 1
      if (right < this.#size && this.#before(this.#heap[right] as number, this.#heap[childAt] as number))
        childAt = right
      const child = this.#heap[childAt] as number
      if (!this.#before(child, slot)) break
      this.#heap[at] = child
      place[child] = at
      at = childAt
    }
    this.#heap[at] = slot
    place[slot] = at
  }

  #before(a: number, b: number): boolean {
    const { time, index } = this.#slots
    const timeA = time[a] as number
    const timeB = time[b] as number
    return timeA < timeB || (timeA === timeB && (index[a] as number) < (index[b] as number))
  }
}
