/**
 * The bound on the unsaved layers of all replicas of a node together. From half of it on the largest is checkpointed; at
 * the bound leaders refuse until checkpoints have brought it down. What views hold beside their layers has bounds of its
 * own and is not counted: only acks make it less, and they must not be refused for it. Looked at once a tick.
 */
interface Weighed {
  memoryBytes(): number
  relieveMemory(): void
}

export class MemoryGuard {
  readonly #maxBytes: number
  #full = false

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get full(): boolean {
    return this.#full
  }

  look(replicas: Iterable<Weighed>): void {
    let total = 0
    let largest: { readonly replica: Weighed; readonly bytes: number } | undefined
    for (const replica of replicas) {
      const bytes = replica.memoryBytes()
      total += bytes
      if (largest === undefined || bytes > largest.bytes) largest = { replica, bytes }
    }
    this.#full = total >= this.#maxBytes
    if (total * 2 >= this.#maxBytes) largest?.replica.relieveMemory()
  }
}
