/**
 * Bytes that the windows of a node pin together, with redeliveries at hand and what is being read for both. Beyond the
 * bound those that were not used for longest shrink first. Invariant: `bytes` is what all of them cost and what reads have
 * reserved.
 */

/** A window, or the redeliveries at hand of a group, as the budget sees them. */
export interface Shrinkable {
  /** Bytes that it pins. */
  readonly cost: number
  /** Gives up a good part of them; all when little is left. */
  shrink(): void
}

export class LookAheadBudget {
  readonly #bytesMax: number
  readonly windowBytesMax: number
  #bytes = 0
  /** Those that cost anything; the one not used for longest first. */
  readonly #windows = new Set<Shrinkable>()

  /** `windowBytesMax`: of one window. */
  constructor(bytesMax: number, windowBytesMax: number) {
    this.#bytesMax = bytesMax
    this.windowBytesMax = windowBytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Nearly spent: whoever reads now takes from another, so read what is needed and nothing ahead. */
  get tight(): boolean {
    return this.#bytes * 4 > this.#bytesMax * 3
  }

  /** The window's cost has changed by so much. */
  changed(window: Shrinkable, by: number): void {
    this.#bytes += by
    if (window.cost === 0) this.#windows.delete(window)
    else if (by > 0) this.#windows.add(window)
    if (by > 0) this.#relieve(window)
  }

  used(window: Shrinkable): void {
    if (this.#windows.delete(window)) this.#windows.add(window)
  }

  /** So much may be brought by a read; {@link release} gives it back. */
  reserve(bytes: number): void {
    this.#bytes += bytes
    this.#relieve(undefined)
  }

  release(bytes: number): void {
    this.#bytes -= bytes
  }

  #relieve(user: Shrinkable | undefined): void {
    if (this.#bytes <= this.#bytesMax) return
    for (const window of this.#windows) if (window !== user && this.#shrunk(window)) return
    if (user !== undefined) this.#shrunk(user)
  }

  /** Whether there is room now. */
  #shrunk(window: Shrinkable): boolean {
    while (this.#bytes > this.#bytesMax && window.cost > 0) window.shrink()
    return this.#bytes <= this.#bytesMax
  }
}
