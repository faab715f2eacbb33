/**
 * The bounds on the unsaved layers of all replicas of a node together. Above the first the largest is checkpointed if that
 * is worth while, from half of the second on whatever it frees; at the second leaders refuse until checkpoints have
 * brought it down. What views hold beside their layers has bounds of its own and is not counted: only acks make it less,
 * and they must not be refused for it. Looked at once a tick.
 */
interface Weighed {
  memoryBytes(): number
  /** What a checkpoint begun now would free; 0 while one is on its way. */
  relievableBytes(): number
  relieveMemory(): void
}

/** A smaller checkpoint costs more than the room it makes. */
const WORTH_WHILE_BYTES = 1024 * 1024

export class MemoryGuard {
  readonly #maxBytes: number
  readonly #reliefBytes: number
  #full = false

  constructor({ memoryBytes, memoryReliefBytes }: { memoryBytes: number; memoryReliefBytes: number }) {
    this.#maxBytes = memoryBytes
    this.#reliefBytes = memoryReliefBytes
  }

  get full(): boolean {
    return this.#full
  }

  look(replicas: Iterable<Weighed>): void {
    let total = 0
    let most = 0
    let largest: Weighed | undefined
    for (const replica of replicas) {
      total += replica.memoryBytes()
      const relievable = replica.relievableBytes()
      if (relievable <= most) continue
      most = relievable
      largest = replica
    }
    this.#full = total >= this.#maxBytes
    const wanted = total * 2 >= this.#maxBytes || (total >= this.#reliefBytes && most >= WORTH_WHILE_BYTES)
    if (wanted) largest?.relieveMemory()
  }
}
