/**
 * Commands that wait to be proposed, first in first out, bounded by the bytes that wait or are proposed and not answered,
 * of one partition and of the whole node. An entry takes from lanes until it is full; a single command larger than an
 * entry goes alone.
 */
import { Budget } from '../base/budget.ts'
import { SandglassError } from '../base/errors.ts'
import { Fifo } from '../base/fifo.ts'
import { ENTRY_BYTES_MAX, ENTRY_MESSAGES_MAX, NODE_PRODUCE_BYTES_MAX, NODE_SETTLE_BYTES_MAX } from '../base/limits.ts'
import { pinnedBytes } from '../base/pinned.ts'
import type { TimerReply } from '../views/timer/commands.ts'

export type Answer =
  | { readonly type: 'reply'; readonly reply: TimerReply; readonly at: number }
  | { readonly type: 'failed'; readonly error: SandglassError }

/** What a waiting command costs beside its bytes: the record and its callback. */
const COMMAND_COST = 128

export class WaitingCommand {
  readonly bytes: Uint8Array
  readonly weight: number
  readonly done: (answer: Answer) => void
  readonly wanted: (() => boolean) | undefined
  /** Bytes that it keeps in memory; asked of the engine once. */
  readonly cost: number

  /**
   * `weight`: messages it names, which bounds the time apply takes. `wanted`: whether its caller still waits; asked when its
   * turn comes. Default: yes.
   */
  constructor(bytes: Uint8Array, weight: number, done: (answer: Answer) => void, wanted?: () => boolean) {
    this.bytes = bytes
    this.weight = weight
    this.done = done
    this.wanted = wanted
    this.cost = pinnedBytes(bytes) + COMMAND_COST
  }
}

/** Bytes of commands that all partitions of a node together let wait, or have proposed and not answered. */
export interface LaneBudgets {
  readonly produce: Budget
  readonly settle: Budget
}

export function createLaneBudgets(): LaneBudgets {
  return { produce: new Budget(NODE_PRODUCE_BYTES_MAX), settle: new Budget(NODE_SETTLE_BYTES_MAX) }
}

/** Commands of one entry and, side by side with them, who hears what became of each. */
export class EntryBatch {
  readonly commands: Uint8Array[] = []
  readonly callers: WaitingCommand['done'][] = []
  #bytes = 0
  #weight = 0

  /** False when the entry has no room for it. */
  add(item: WaitingCommand): boolean {
    const fits = this.#bytes + item.bytes.length <= ENTRY_BYTES_MAX && this.#weight + item.weight <= ENTRY_MESSAGES_MAX
    if (this.commands.length > 0 && !fits) return false
    this.commands.push(item.bytes)
    this.callers.push(item.done)
    this.#bytes += item.bytes.length
    this.#weight += item.weight
    return true
  }
}

export class Lane {
  readonly #bytesMax: number
  readonly #budget: Budget
  readonly #queue = new Fifo<WaitingCommand>()
  #cost = 0
  #weight = 0

  /** `budget`: the share of the node, beside the lane's own bound. */
  constructor(bytesMax: number, budget: Budget) {
    this.#bytesMax = bytesMax
    this.#budget = budget
  }

  get waiting(): boolean {
    return this.#queue.length > 0
  }

  /** Of all that wait. */
  get weight(): number {
    return this.#weight
  }

  get full(): boolean {
    return this.#cost >= this.#bytesMax || this.#budget.fullFor(this.#cost)
  }

  push(item: WaitingCommand): void {
    this.#cost += item.cost
    this.#budget.take(item.cost)
    this.#queue.push(item)
    this.#weight += item.weight
  }

  /** Moves what fits; returns the cost, which `answered` gives back once the entry is answered. */
  moveTo(batch: EntryBatch): number {
    let cost = 0
    for (let item = this.#queue.first; item !== undefined; item = this.#queue.first) {
      const wanted = item.wanted === undefined || item.wanted()
      if (wanted && !batch.add(item)) break
      this.#queue.shift()
      this.#weight -= item.weight
      if (wanted) cost += item.cost
      else this.#drop(item)
    }
    return cost
  }

  #drop(item: WaitingCommand): void {
    this.answered(item.cost)
    item.done({
      type: 'failed',
      error: new SandglassError('DEADLINE', 'Cannot store it: nobody waits for it any more'),
    })
  }

  answered(cost: number): void {
    this.#cost -= cost
    this.#budget.giveBack(cost)
  }

  /** Takes everything that waits and gives its cost back. */
  drain(): readonly WaitingCommand[] {
    const rest = this.#queue.drain()
    for (const item of rest) this.answered(item.cost)
    this.#weight = 0
    return rest
  }
}
