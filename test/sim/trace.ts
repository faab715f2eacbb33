/** Everything that happens in a run, folded into one number: two runs of a seed are the same run or the numbers differ. */
const KEPT = 400

export class Trace {
  readonly #now: () => number
  readonly #print: boolean
  #low = 0x811c9dc5
  #high = 0x01000193
  /** The newest notes, for whoever looks at a failure. */
  readonly #kept: string[] = []

  constructor(now: () => number, print = false) {
    this.#now = now
    this.#print = print
  }

  note(text: string): void {
    const line = `${this.#now().toFixed(2)} ${text}`
    for (let i = 0; i < line.length; i++) {
      const code = line.charCodeAt(i)
      this.#low = Math.imul(this.#low ^ code, 0x01000193)
      this.#high = Math.imul(this.#high ^ code, 0x85ebca6b) + (this.#low >>> 13)
    }
    if (this.#print) this.#remember(line)
  }

  get hash(): string {
    return hex(this.#high) + hex(this.#low)
  }

  get last(): readonly string[] {
    return this.#kept
  }

  #remember(line: string): void {
    this.#kept.push(line)
    if (this.#kept.length > 2 * KEPT) this.#kept.splice(0, KEPT)
  }
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0')
}
