/** Counts for the demo's live line, and the line itself. */
const LATENESS_KEPT = 5000
const P99 = 0.99

export class Tally {
  produced = 0
  delivered = 0
  acked = 0
  redelivered = 0
  readonly #due: number[] = []
  #dueCount = 0
  readonly #lateness: number[] = []

  /** A produced task that becomes due at `dueMs`. */
  expect(dueMs: number): void {
    this.produced += 1
    this.#due.push(dueMs)
  }

  /** First deliveries only, ms after due. */
  late(ms: number): void {
    this.#lateness.push(ms)
    if (this.#lateness.length > LATENESS_KEPT) this.#lateness.shift()
  }

  line(nowMs: number, note: string): string {
    const left = this.#due.filter((due) => due > nowMs)
    this.#dueCount += this.#due.length - left.length
    this.#due.splice(0, this.#due.length, ...left)
    const sorted = [...this.#lateness].sort((a, b) => a - b)
    const p99 = sorted[Math.floor(sorted.length * P99)] ?? 0
    const counts = `produced ${this.produced}  due ${this.#dueCount}  delivered ${this.delivered}  acked ${this.acked}`
    return `${counts}  redelivered ${this.redelivered}  p99 late ${p99} ms  ${note}`
  }
}
