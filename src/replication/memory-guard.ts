/**
 * The bounds on the unsaved layers of all replicas of a node together. Above the first the largest is checkpointed if that
 * is worth while, from half of the second on whatever it frees; at the second leaders refuse until checkpoints have
 * brought it down. What views hold beside their layers has bounds of its own and is not counted: only acks make it less,
 * and they must not be refused for it. Looked at once a tick; replicas that sleep gain nothing and are counted only now
 * and then.
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
  #resting: Count = { bytes: 0, largest: undefined }

  constructor({ memoryBytes, memoryReliefBytes }: { memoryBytes: number; memoryReliefBytes: number }) {
    this.#maxBytes = memoryBytes
    this.#reliefBytes = memoryReliefBytes
  }

  get full(): boolean {
    return this.#full
  }

  /** `sleeping` if they are to be counted anew. */
  look(awake: Iterable<Weighed>, sleeping?: Iterable<Weighed>): void {
    if (sleeping !== undefined) this.#resting = count(sleeping)
    const busy = count(awake)
    const total = busy.bytes + this.#resting.bytes
    const largest = larger(busy.largest, this.#resting.largest)
    const most = largest?.relievableBytes() ?? 0
    this.#full = total >= this.#maxBytes
    const wanted = total * 2 >= this.#maxBytes || (total >= this.#reliefBytes && most >= WORTH_WHILE_BYTES)
    if (wanted && most > 0) largest?.relieveMemory()
  }
}

interface Count {
  readonly bytes: number
  /** Of those of which a checkpoint would free something, the one of which it would free most. */
  readonly largest: Weighed | undefined
}

function count(replicas: Iterable<Weighed>): Count {
  let bytes = 0
  let most = 0
  let largest: Weighed | undefined
  for (const replica of replicas) {
    bytes += replica.memoryBytes()
    const relievable = replica.relievableBytes()
    if (relievable <= most) continue
    most = relievable
    largest = replica
  }
  return { bytes, largest }
}

function larger(a: Weighed | undefined, b: Weighed | undefined): Weighed | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return b.relievableBytes() > a.relievableBytes() ? b : a
}
