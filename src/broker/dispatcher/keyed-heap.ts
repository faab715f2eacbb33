/** A binary heap of items by key, the first key on top. Each item is in it once; its key may change. */
export class KeyedHeap<T, K> {
  readonly #before: (a: K, b: K) => boolean
  readonly #items: T[] = []
  readonly #keys: K[] = []
  readonly #places = new Map<T, number>()

  constructor(before: (a: K, b: K) => boolean) {
    this.#before = before
  }

  get size(): number {
    return this.#items.length
  }

  get first(): T | undefined {
    return this.#items[0]
  }

  get firstKey(): K | undefined {
    return this.#keys[0]
  }

  /** In no order. */
  get items(): readonly T[] {
    return this.#items
  }

  /** Adds the item, or moves it to its new key. */
  set(item: T, key: K): void {
    const place = this.#places.get(item)
    if (place === undefined) this.#up(this.#items.length, item, key)
    else this.#move(place, item, key)
  }

  delete(item: T): boolean {
    const place = this.#places.get(item)
    if (place === undefined) return false
    this.#places.delete(item)
    const last = this.#items.pop() as T
    const key = this.#keys.pop() as K
    if (last !== item) this.#move(place, last, key)
    return true
  }

  #move(place: number, item: T, key: K): void {
    const above = (place - 1) >> 1
    if (place > 0 && this.#before(key, this.#keys[above] as K)) this.#up(place, item, key)
    else this.#down(place, item, key)
  }

  #up(from: number, item: T, key: K): void {
    let at = from
    while (at > 0) {
      const above = (at - 1) >> 1
      if (!this.#before(key, this.#keys[above] as K)) break
      this.#put(at, this.#items[above] as T, this.#keys[above] as K)
      at = above
    }
    this.#put(at, item, key)
  }

  #down(from: number, item: T, key: K): void {
    let at = from
    for (;;) {
      let below = at * 2 + 1
      if (below >= this.#items.length) break
      const right = below + 1
      if (right < this.#items.length && this.#before(this.#keys[right] as K, this.#keys[below] as K)) below = right
      if (!this.#before(this.#keys[below] as K, key)) break
      this.#put(at, this.#items[below] as T, this.#keys[below] as K)
      at = below
    }
    this.#put(at, item, key)
  }

  #put(place: number, item: T, key: K): void {
    this.#items[place] = item
    this.#keys[place] = key
    this.#places.set(item, place)
  }
}
