/**
 * A B+tree from byte string to value-or-tombstone, held in memory. Keys that ascend are appended without a descent; a
 * leaf is given up when it is empty, not when it is half empty, so that a queue's front costs nothing.
 * Invariants: leaves are linked in key order; only the root may be an empty leaf; separators bound, they need not exist.
 */
import { assert } from '../../base/assert.ts'
import type { KeyRange } from './types.ts'

/** null is a tombstone: it hides what lies below. */
export type Value = Uint8Array | null

const LEAF_ROWS = 64
const INNER_CHILDREN = 64

class Leaf {
  readonly keys: string[] = []
  readonly values: Value[] = []
  /** Whether nothing below this tree can hold the key. */
  readonly fresh: boolean[] = []
  next: Leaf | undefined = undefined
  prev: Leaf | undefined = undefined
}

class Inner {
  /** Child i holds keys in [keys[i - 1], keys[i]). */
  readonly keys: string[] = []
  readonly children: (Leaf | Inner)[] = []
}

/** A key is sought once, then acted upon at the place found: `seek`, then one of `insert`, `replace`, `remove`. */
export class Tree {
  #root: Leaf | Inner
  #last: Leaf
  #size = 0
  // Where the last `seek` ended, and the way down to it; the way is unknown after an append.
  #leaf: Leaf
  #slot = 0
  readonly #way: Inner[] = []
  readonly #turns: number[] = []
  #depth = 0
  #wayKnown = true

  constructor() {
    const leaf = new Leaf()
    this.#root = leaf
    this.#last = leaf
    this.#leaf = leaf
  }

  get size(): number {
    return this.#size
  }

  /** Goes to `key` or to the place where it belongs; says whether it is there. */
  seek(key: string): boolean {
    const last = this.#last
    const count = last.keys.length
    if (count > 0 && key > (last.keys[count - 1] as string)) {
      this.#leaf = last
      this.#slot = count
      this.#wayKnown = false
      return false
    }
    this.#descend(key)
    this.#slot = lowerBound(this.#leaf.keys, key)
    return this.#leaf.keys[this.#slot] === key
  }

  /** Value at the place of the last successful `seek`. */
  get value(): Value {
    return this.#leaf.values[this.#slot] as Value
  }

  get fresh(): boolean {
    return this.#leaf.fresh[this.#slot] as boolean
  }

  replace(value: Value, fresh: boolean): void {
    this.#leaf.values[this.#slot] = value
    this.#leaf.fresh[this.#slot] = fresh
  }

  insert(key: string, value: Value, fresh: boolean): void {
    this.#size++
    let leaf = this.#leaf
    if (leaf.keys.length === LEAF_ROWS) leaf = this.#splitLeaf(leaf)
    const slot = this.#slot
    if (slot === leaf.keys.length) {
      leaf.keys.push(key)
      leaf.values.push(value)
      leaf.fresh.push(fresh)
      return
    }
    leaf.keys.splice(slot, 0, key)
    leaf.values.splice(slot, 0, value)
    leaf.fresh.splice(slot, 0, fresh)
  }

  remove(): void {
    const leaf = this.#leaf
    const slot = this.#slot
    this.#size--
    leaf.keys.splice(slot, 1)
    leaf.values.splice(slot, 1)
    leaf.fresh.splice(slot, 1)
    if (leaf.keys.length === 0 && leaf !== this.#root) this.#dropLeaf(leaf)
  }

  get(key: string): Value | undefined {
    return this.seek(key) ? this.value : undefined
  }

  /** Rows in `range`, ascending or descending. Valid only while the tree does not change. */
  cursor(range: KeyRange, reverse: boolean): TreeCursor {
    if (!reverse) {
      this.#descend(range.gte)
      return new TreeCursor(this.#leaf, lowerBound(this.#leaf.keys, range.gte), range, false)
    }
    this.#descend(range.lt)
    return new TreeCursor(this.#leaf, lowerBound(this.#leaf.keys, range.lt) - 1, range, true)
  }

  #descend(key: string): void {
    let depth = 0
    let node = this.#root
    while (node instanceof Inner) {
      const turn = upperBound(node.keys, key)
      this.#way[depth] = node
      this.#turns[depth] = turn
      depth++
      node = node.children[turn] as Leaf | Inner
    }
    this.#depth = depth
    this.#leaf = node
    this.#wayKnown = true
  }

  #ensureWay(leaf: Leaf): void {
    if (this.#wayKnown) return
    this.#descend(leaf.keys[leaf.keys.length - 1] as string)
    assert(this.#leaf === leaf, 'the way down leads to the leaf')
  }

  /** Makes room at the current place and returns the leaf that now holds it. An append starts an empty leaf instead. */
  #splitLeaf(leaf: Leaf): Leaf {
    this.#ensureWay(leaf)
    const appends = leaf === this.#last && this.#slot === leaf.keys.length
    const from = appends ? leaf.keys.length - 1 : leaf.keys.length >> 1
    const right = new Leaf()
    right.keys.push(...leaf.keys.splice(from))
    right.values.push(...leaf.values.splice(from))
    right.fresh.push(...leaf.fresh.splice(from))
    right.prev = leaf
    right.next = leaf.next
    if (leaf.next === undefined) this.#last = right
    else leaf.next.prev = right
    leaf.next = right
    this.#adopt(right.keys[0] as string, leaf, right)
    if (this.#slot <= from) return leaf
    this.#slot -= from
    return right
  }

  /** Hangs `right` beside `left` into the parents on the known way, splitting those that are full. */
  #adopt(firstKey: string, firstLeft: Leaf | Inner, firstRight: Leaf | Inner): void {
    let key = firstKey
    let left = firstLeft
    let right = firstRight
    for (let depth = this.#depth - 1; depth >= 0; depth--) {
      const parent = this.#way[depth] as Inner
      const turn = this.#turns[depth] as number
      parent.keys.splice(turn, 0, key)
      parent.children.splice(turn + 1, 0, right)
      if (parent.children.length <= INNER_CHILDREN) return
      const middle = turn === parent.keys.length - 1 ? parent.children.length - 2 : parent.children.length >> 1
      const sibling = new Inner()
      sibling.children.push(...parent.children.splice(middle))
      sibling.keys.push(...parent.keys.splice(middle))
      key = parent.keys.pop() as string
      left = parent
      right = sibling
    }
    const root = new Inner()
    root.keys.push(key)
    root.children.push(left, right)
    this.#root = root
  }

  #dropLeaf(leaf: Leaf): void {
    assert(this.#wayKnown, 'a key that was found was descended to')
    if (leaf.prev !== undefined) leaf.prev.next = leaf.next
    if (leaf.next === undefined) this.#last = leaf.prev as Leaf
    else leaf.next.prev = leaf.prev
    for (let depth = this.#depth - 1; depth >= 0; depth--) {
      const parent = this.#way[depth] as Inner
      const turn = this.#turns[depth] as number
      parent.children.splice(turn, 1)
      parent.keys.splice(turn === 0 ? 0 : turn - 1, 1)
      if (parent.children.length > 0) break
    }
    while (this.#root instanceof Inner && this.#root.children.length === 1) {
      this.#root = this.#root.children[0] as Leaf | Inner
    }
    this.#leaf = this.#last
  }
}

/** A place in a tree that moves in one direction within a range; `key` is undefined at the end. */
export class TreeCursor {
  #leaf: Leaf | undefined
  #slot: number
  readonly #range: KeyRange
  readonly #reverse: boolean
  key: string | undefined = undefined
  value: Value = null

  constructor(leaf: Leaf, slot: number, range: KeyRange, reverse: boolean) {
    this.#leaf = leaf
    this.#slot = slot
    this.#range = range
    this.#reverse = reverse
    this.#settle()
  }

  advance(): void {
    this.#slot += this.#reverse ? -1 : 1
    this.#settle()
  }

  /** Steps into the neighbour leaf where this one ends, then shows the row there if it is in the range. */
  #settle(): void {
    while (this.#leaf !== undefined && (this.#slot < 0 || this.#slot >= this.#leaf.keys.length)) {
      this.#leaf = this.#reverse ? this.#leaf.prev : this.#leaf.next
      this.#slot = this.#reverse ? (this.#leaf?.keys.length ?? 0) - 1 : 0
    }
    const key = this.#leaf?.keys[this.#slot]
    const inside = key !== undefined && (this.#reverse ? key >= this.#range.gte : key < this.#range.lt)
    this.key = inside ? key : undefined
    this.value = inside ? (this.#leaf?.values[this.#slot] as Value) : null
  }
}

/** First slot whose key is not below `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let lo = 0
  let hi = keys.length
  while (lo < hi) {
    const mid = (lo + hi) >> 1
    if ((keys[mid] as string) < key) lo = mid + 1
    else hi = mid
  }
  return lo
}

/** First slot whose key is above `key`. */
function upperBound(keys: readonly string[], key: string): number {
  let lo = 0
  let hi = keys.length
  while (lo < hi) {
    const mid = (lo + hi) >> 1
    if ((keys[mid] as string) <= key) lo = mid + 1
    else hi = mid
  }
  return lo
}
