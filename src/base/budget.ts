/**
 * Bytes that many holders share, each bounded by what is still free (dynamic thresholds, Choudhury and Hahne 1998): one
 * alone may have half of all, n of them 1/(n+1) each, and whoever holds nothing finds room however many others hold on.
 */
export class Budget {
  readonly #max: number
  #used = 0

  constructor(max: number) {
    this.#max = max
  }

  get used(): number {
    return this.#used
  }

  /** Negative when the last one who took, took more than there was. */
  get free(): number {
    return this.#max - this.#used
  }

  /** Whether a holder of `held` bytes has to wait, or be refused, before it takes more. */
  fullFor(held: number): boolean {
    return held >= this.free
  }

  take(bytes: number): void {
    this.#used += bytes
  }

  giveBack(bytes: number): void {
    this.#used -= bytes
  }
}
