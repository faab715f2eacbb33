/**
 * Appends on their way to one replica (pipelining, §10.2 of the dissertation): a ring of (last index, bytes), bounded in
 * messages and bytes. It grows as it is used, since most replicas never fill it.
 */
import { assert } from '../base/assert.ts'

export class Inflights {
  readonly #countMax: number
  readonly #bytesMax: number
  #indexes: number[] = []
  #sizes: number[] = []
  #start = 0
  #count = 0
  #bytes = 0

  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax
    this.#bytesMax = bytesMax
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The bytes bound is crossed by the message that reaches it, never by the one after. 0 bytes: no such bound. */
  get full(): boolean {
    return this.#count >= this.#countMax || (this.#bytesMax > 0 && this.#bytes >= this.#bytesMax)
  }

  /** `index` is that of the message's last entry and ascends. */
  add(index: number, bytes: number): void {
    assert(!this.full, 'no append is sent to a replica whose inflight window is full')
    if (this.#count === this.#indexes.length) this.#grow()
    const at = (this.#start + this.#count) % this.#indexes.length
    this.#indexes[at] = index
    this.#sizes[at] = bytes
    this.#count++
    this.#bytes += bytes
  }

  /** Forgets every message whose last entry is at or below `index`. */
  freeUpTo(index: number): void {
    while (this.#count > 0 && (this.#indexes[this.#start] ?? 0) <= index) {
      this.#bytes -= this.#sizes[this.#start] ?? 0
      this.#start = (this.#start + 1) % this.#indexes.length
      this.#count--
    }
  }

  reset(): void {
    this.#start = 0
    this.#count = 0
    this.#bytes = 0
  }

  #grow(): void {
    const size = Math.min(Math.max(1, this.#indexes.length * 2), this.#countMax)
    const indexes = new Array<number>(size).fill(0)
    const sizes = new Array<number>(size).fill(0)
    for (let i = 0; i < this.#count; i++) {
      const from = (this.#start + i) % this.#indexes.length
      indexes[i] = this.#indexes[from] ?? 0
      sizes[i] = this.#sizes[from] ?? 0
    }
    this.#indexes = indexes
    this.#sizes = sizes
    this.#start = 0
  }
}
