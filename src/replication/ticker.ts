/** What the ticks of the shard's clock mean for its replicas, awake or asleep, and for the node as a whole. */
import { handOver } from './hand-over.ts'
import type { Housekeeping } from './housekeeping.ts'
import type { MemoryGuard } from './memory-guard.ts'
import type { Turnable } from './shard.ts'
import type { Sleeper, Slumber } from './slumber.ts'
import type { TurnLoop } from './turn-loop.ts'

/** What this needs of a replica. */
export interface Ticked extends Turnable, Sleeper {
  heedDamage(): boolean
  handOver(): boolean
  stoodStill(): void
  memoryBytes(): number
  relievableBytes(): number
  relieveMemory(): void
}

interface TickerParts<T extends Ticked> {
  readonly housekeeping: Housekeeping
  readonly slumber: Slumber<T>
  readonly memory: MemoryGuard
  /** All of them. */
  readonly replicas: () => Iterable<T>
  readonly loop: () => TurnLoop
}

export class Ticker<T extends Ticked> {
  readonly #parts: TickerParts<T>
  #missed = 0

  constructor(parts: TickerParts<T>) {
    this.#parts = parts
  }

  /** So many ticks have passed without this process, and nothing that came meanwhile is taken yet. */
  missed(ticks: number): void {
    const { slumber } = this.#parts
    this.#missed += ticks
    for (const replica of slumber.awake) replica.missTicks(ticks)
    slumber.missTicks(ticks)
  }

  /** More than one at a time have passed only if all replicas slept. */
  tick(ticks: number): void {
    const { housekeeping, slumber, memory, replicas, loop } = this.#parts
    const tidy = housekeeping.tick(ticks + this.#missed)
    this.#missed = 0
    loop().tick(slumber.awake)
    slumber.tick(ticks)
    memory.look(slumber.awake, tidy ? slumber.asleep.keys() : undefined)
    if (!tidy) return
    slumber.keepTo(housekeeping.peers)
    // Who is awake sees to it at every tick.
    for (const replica of slumber.asleep.keys()) replica.heedDamage()
    if (!housekeeping.fitToLead) handOver(replicas())
  }

  /** For so long that another may lead by now what this node leads: nobody sleeps who waits for a word of the others. */
  stoodStill(): void {
    for (const replica of this.#parts.slumber.awake) replica.stoodStill()
  }
}
