/**
 * A queue, first in first out, that can be indexed: a ring which grows with what waits and shrinks again. Invariant: it
 * refers to what waits and to nothing else, so that what was given away lives no longer than its taker wants.
 */
const CAPACITY_MIN = 16

export class Fifo<T> {
  /** Its length is a power of two, or 0 before the first element. */
  #ring: (T | undefined)[] = []
  #head = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  get first(): T | undefined {
    return this.#ring[this.#head]
  }

  get last(): T | undefined {
    return this.at(this.#length - 1)
  }

  /** The element behind `index` others; undefined beyond the last. */
  at(index: number): T | undefined {
    if (index < 0 || index >= this.#length) return undefined
    return this.#ring[(this.#head + index) & (this.#ring.length - 1)]
  }

  push(item: T): void {
    if (this.#length === this.#ring.length) this.#resize(Math.max(CAPACITY_MIN, this.#length * 2))
    this.#ring[(this.#head + this.#length) & (this.#ring.length - 1)] = item
    this.#length++
  }

  /** Puts `item` in front of all others: it was taken too early. */
  unshift(item: T): void {
    if (this.#length === this.#ring.length) this.#resize(Math.max(CAPACITY_MIN, this.#length * 2))
    this.#head = (this.#head - 1) & (this.#ring.length - 1)
    this.#ring[this.#head] = item
    this.#length++
  }

  /** Takes the first. */
  shift(): T | undefined {
    if (this.#length === 0) return undefined
    const item = this.#ring[this.#head]
    this.#ring[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#ring.length - 1)
    this.#length--
    if (this.#length * 4 <= this.#ring.length && this.#ring.length > CAPACITY_MIN) this.#resize(this.#ring.length / 2)
    return item
  }

  /** Takes all. */
  drain(): T[] {
    const items = [...this]
    this.#ring = []
    this.#head = 0
    this.#length = 0
    return items
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let i = 0; i < this.#length; i++) yield this.at(i) as T
  }

  #resize(capacity: number): void {
    const ring: (T | undefined)[] = new Array(capacity).fill(undefined)
    for (let i = 0; i < this.#length; i++) ring[i] = this.at(i)
    this.#ring = ring
    this.#head = 0
  }
}
