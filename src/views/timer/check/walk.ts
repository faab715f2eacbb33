/**
 * Goes over the bytes of a command or a row without making anything of them, and remembers whether they were what they should be:
 * nothing throws, and reading on after a fault is harmless. What it calls sound, the reader in bytes.ts reads.
 */
const NUMBER_BYTES_MAX = 8
const MAX = Number.MAX_SAFE_INTEGER

export class Walk {
  readonly #bytes: Uint8Array
  #at: number
  #sound = true

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  /** Everything so far was in its bounds. */
  get sound(): boolean {
    return this.#sound
  }

  /** All of it was, and nothing is left over. */
  get whole(): boolean {
    return this.#sound && this.#at === this.#bytes.length
  }

  /** What was read makes no sense together. */
  fault(): void {
    this.#sound = false
    // Nothing is left to read, so that no loop goes on.
    this.#at = this.#bytes.length
  }

  /** 0 once something is wrong. */
  number(max = MAX): number {
    const bytes = this.#bytes
    const first = bytes[this.#at] ?? 128
    if (first < 128 && first <= max) {
      this.#at++
      return first
    }
    let value = 0
    for (let scale = 1, count = 0; count < NUMBER_BYTES_MAX; count++, scale *= 128) {
      const byte = bytes[this.#at++]
      if (byte === undefined) break
      value += (byte & 127) * scale
      if (byte < 128) {
        if (value <= max) return value
        break
      }
    }
    this.fault()
    return 0
  }

  /** The sum of `from` and the difference that follows, in [0, max]. */
  next(from: number, max = MAX): number {
    const zigzag = this.number()
    const value = from + (zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2)
    if (value >= 0 && value <= max) return value
    this.fault()
    return 0
  }

  /** How many items follow, each of at least one byte. */
  count(): number {
    return this.number(this.#bytes.length - this.#at)
  }

  /** Goes past bytes with their length in front, and answers it. */
  bytes(max = MAX): number {
    const length = this.number(max)
    if (this.#at + length > this.#bytes.length) this.fault()
    else this.#at += length
    return length
  }
}
