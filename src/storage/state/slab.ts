/**
 * Keeps values without pinning what they were cut from: a small slice of a much bigger buffer (a received frame) is
 * copied into a slab. Invariant: `bytes` is the size of every backing buffer that the values kept here hold alive.
 */
const SLAB_BYTES = 64 * 1024
/** From here on a copy gets a buffer of its own: sharing a slab would waste its end. */
const OWN_BUFFER_BYTES = SLAB_BYTES / 4
/** A view on a buffer of at most this many times its size is kept as it is. */
const WASTE_MAX = 2

interface Slab {
  readonly buffer: ArrayBufferLike
  rows: number
}

export class Slabs {
  readonly #slabs = new Map<ArrayBufferLike, Slab>()
  #open: Slab = { buffer: new ArrayBuffer(0), rows: 0 }
  #used = 0
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  /** The value as it is to be kept: itself, or a copy that pins little more than its own size. */
  keep(value: Uint8Array): Uint8Array {
    const size = value.byteLength
    const backing = value.buffer.byteLength
    if (backing <= size * WASTE_MAX) {
      this.#bytes += backing
      return value
    }
    if (size >= OWN_BUFFER_BYTES) {
      const own = new Uint8Array(size)
      own.set(value)
      this.#bytes += size
      return own
    }
    return this.#copy(value, size)
  }

  /** The counterpart of {@link keep}: `value` is no longer held here. */
  drop(value: Uint8Array): void {
    const slab = this.#slabs.get(value.buffer)
    if (slab === undefined) {
      this.#bytes -= value.buffer.byteLength
      return
    }
    slab.rows--
    if (slab.rows === 0 && slab !== this.#open) this.#forget(slab)
  }

  #copy(value: Uint8Array, size: number): Uint8Array {
    if (this.#used + size > this.#open.buffer.byteLength) {
      const full = this.#open
      const buffer = new ArrayBuffer(SLAB_BYTES)
      this.#open = { buffer, rows: 0 }
      this.#slabs.set(buffer, this.#open)
      this.#bytes += SLAB_BYTES
      this.#used = 0
      if (full.rows === 0 && full.buffer.byteLength > 0) this.#forget(full)
    }
    const copy = new Uint8Array(this.#open.buffer, this.#used, size)
    copy.set(value)
    this.#used += size
    this.#open.rows++
    return copy
  }

  #forget(slab: Slab): void {
    this.#slabs.delete(slab.buffer)
    this.#bytes -= slab.buffer.byteLength
  }
}
