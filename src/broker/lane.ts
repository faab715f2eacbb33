/**
 * Commands that wait to be proposed, first in first out, bounded by the bytes that wait or are proposed and not answered.
 * An entry takes from lanes until it is full; a single command larger than an entry goes alone.
 */
import type { SandglassError } from '../base/errors.ts'
import { ENTRY_BYTES_MAX, ENTRY_MESSAGES_MAX } from '../base/limits.ts'
import type { TimerReply } from '../views/timer/commands.ts'

export type Answer =
  | { readonly type: 'reply'; readonly reply: TimerReply; readonly at: number }
  | { readonly type: 'failed'; readonly error: SandglassError }

export interface WaitingCommand {
  readonly bytes: Uint8Array
  /** Messages it names: bounds the time apply takes. */
  readonly weight: number
  readonly done: (answer: Answer) => void
}

/** What a waiting command costs beside its bytes: the record and its callback. */
const COMMAND_COST = 128

export class EntryBatch {
  readonly items: WaitingCommand[] = []
  #bytes = 0
  #weight = 0

  /** False when the entry has no room for it. */
  add(item: WaitingCommand): boolean {
    const fits = this.#bytes + item.bytes.length <= ENTRY_BYTES_MAX && this.#weight + item.weight <= ENTRY_MESSAGES_MAX
    if (this.items.length > 0 && !fits) return false
    this.items.push(item)
    this.#bytes += item.bytes.length
    this.#weight += item.weight
    return true
  }
}

export class Lane {
  readonly #bytesMax: number
  #queue: WaitingCommand[] = []
  #head = 0
  #cost = 0
  #weight = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get waiting(): boolean {
    return this.#head < this.#queue.length
  }

  /** Of all that wait. */
  get weight(): number {
    return this.#weight
  }

  get full(): boolean {
    return this.#cost >= this.#bytesMax
  }

  push(item: WaitingCommand): void {
    this.#cost += item.bytes.length + COMMAND_COST
    this.#queue.push(item)
    this.#weight += item.weight
  }

  /** Moves what fits; returns the cost to give back with `answered` once the entry is answered. */
  moveTo(batch: EntryBatch): number {
    let cost = 0
    for (let item = this.#queue[this.#head]; item !== undefined && batch.add(item); item = this.#queue[this.#head]) {
      this.#head += 1
      this.#weight -= item.weight
      cost += item.bytes.length + COMMAND_COST
    }
    if (!this.waiting) this.#reset()
    return cost
  }

  answered(cost: number): void {
    this.#cost -= cost
  }

  /** Takes everything that waits and gives its cost back. */
  drain(): readonly WaitingCommand[] {
    const rest = this.#queue.slice(this.#head)
    for (const item of rest) this.#cost -= item.bytes.length + COMMAND_COST
    this.#reset()
    return rest
  }

  #reset(): void {
    this.#queue = []
    this.#head = 0
    this.#weight = 0
  }
}
