/**
 * One in-memory layer of a group's key space: what was put and deleted since the layer below was frozen.
 * Invariant: a fresh row that is deleted in its own layer leaves nothing behind, any other delete leaves a tombstone;
 * a row put over a tombstone of this layer is not fresh, because the tombstone still has something to hide.
 */
import { Slabs } from './slab.ts'
import { Tree, type TreeCursor, type Value } from './tree.ts'
import type { KeyRange } from './types.ts'

/** Heap beside key characters and backing buffer: string header, view object, slots of a leaf filled by two thirds. */
const ROW_BYTES = 176

export class Layer {
  readonly #tree = new Tree()
  readonly #slabs = new Slabs()
  #rowBytes = 0

  get rows(): number {
    return this.#tree.size
  }

  /** Backing buffers, keys and per-row cost. */
  get bytes(): number {
    return this.#rowBytes + this.#slabs.bytes
  }

  /** undefined: this layer does not know the key. null: deleted here. */
  get(key: string): Value | undefined {
    return this.#tree.get(key)
  }

  put(key: string, value: Uint8Array, fresh: boolean): void {
    const kept = this.#slabs.keep(value)
    const tree = this.#tree
    if (!tree.seek(key)) {
      tree.insert(key, kept, fresh)
      this.#rowBytes += ROW_BYTES + key.length
      return
    }
    const old = tree.value
    tree.replace(kept, old !== null && tree.fresh)
    if (old !== null) this.#slabs.drop(old)
  }

  delete(key: string): void {
    const tree = this.#tree
    if (!tree.seek(key)) {
      tree.insert(key, null, false)
      this.#rowBytes += ROW_BYTES + key.length
      return
    }
    const old = tree.value
    if (old !== null) this.#slabs.drop(old)
    if (tree.fresh) {
      tree.remove()
      this.#rowBytes -= ROW_BYTES + key.length
    } else {
      tree.replace(null, false)
    }
  }

  /** Rows and tombstones in `range`. Valid only while the layer does not change: at once, or after it was frozen. */
  cursor(range: KeyRange, reverse: boolean): TreeCursor {
    return this.#tree.cursor(range, reverse)
  }
}
