/**
 * Virtual time: what is to happen, earliest first; at equal times what was asked for with `before`, then the rest, each in
 * the order it was asked for.
 */
interface Due {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** Above the number of all that ever happens. */
const FIRST = 2 ** 40

export class Timeline {
  now = 0
  #heap: Due[] = []
  #order = 0
  #orderBefore = 0

  after(ms: number, run: () => void): void {
    this.#push({ at: this.now + ms, order: this.#order++, run })
  }

  before(ms: number, run: () => void): void {
    this.#push({ at: this.now + ms, order: this.#orderBefore++ - FIRST, run })
  }

  #push(due: Due): void {
    const heap = this.#heap
    let at = heap.push(due) - 1
    while (at > 0) {
      const up = (at - 1) >> 1
      const parent = heap[up]
      if (parent === undefined || before(parent, due)) break
      heap[at] = parent
      at = up
    }
    heap[at] = due
  }

  /** Runs everything up to `until`, or until `stop` says so. */
  run(until: number, stop: () => boolean = () => false): void {
    for (let top = this.#heap[0]; top !== undefined && top.at <= until; top = this.#heap[0]) {
      this.#pop()
      this.now = top.at
      top.run()
      if (stop()) return
    }
    this.now = until
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      const left = heap[child]
      const right = heap[child + 1]
      if (left === undefined) break
      let least = left
      if (right !== undefined && before(right, left)) {
        least = right
        child++
      }
      if (before(last, least)) break
      heap[at] = least
      at = child
    }
    heap[at] = last
  }
}

function before(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
