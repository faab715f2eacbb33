/**
 * Bodies of deliveries that are proposed and not applied, over a node: without a quorum they would pile up in every group.
 * Who finds no room waits in order. Flights always land, so nobody waits for ever.
 */
import { DEAL_BYTES } from '../deals/deal.ts'

export class FlightRoom {
  readonly #bytesMax: number
  #bytes = 0
  readonly #waiting = new Set<() => void>()

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  get full(): boolean {
    return this.#bytes >= this.#bytesMax
  }

  /** A flight takes off. One may go beyond the bound, so that a large one goes at all. */
  take(bytes: number): void {
    this.#bytes += bytes
  }

  /** It has landed. As many as may find room are woken; all when none is under way that could wake the rest. */
  give(bytes: number): void {
    this.#bytes -= bytes
    if (this.full) return
    let count = this.#bytes === 0 ? this.#waiting.size : 1 + Math.floor((this.#bytesMax - this.#bytes) / DEAL_BYTES)
    for (const wake of this.#waiting) {
      if (count-- === 0) return
      this.#waiting.delete(wake)
      wake()
    }
  }

  /** Calls `wake` once there may be room. */
  wait(wake: () => void): void {
    this.#waiting.add(wake)
  }

  forget(wake: () => void): void {
    this.#waiting.delete(wake)
  }
}
