/** How values are distributed, counted by fixed upper bounds: what a metric of a distribution is made of. */
export class Histogram {
  /** Ascending; what lies above the last is counted behind it. */
  readonly bounds: readonly number[]
  /** Values by the first bound that they do not exceed; one more than there are bounds. */
  readonly counts: Float64Array
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    let at = 0
    while (at < this.bounds.length && value > (this.bounds[at] as number)) at++
    this.counts[at] = (this.counts[at] as number) + 1
    this.sum += value
  }
}
