/**
 * The bound on what all replicas of a node keep in memory together: unsaved layers and what views hold beside them. From
 * half of it on the largest replica is checkpointed; at the bound leaders refuse, so that acks and checkpoints of what is
 * there can bring it down. Looked at once a tick: summing is not for every proposal.
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
