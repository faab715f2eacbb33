/** When the garbage collector of this process held the thread, for who asks about a stretch that has just ended. */
import { PerformanceObserver } from 'node:perf_hooks'

interface Stretch {
  readonly fromMs: number
  readonly toMs: number
}

/** What is older is asked for by nobody. */
const KEPT_MS = 60_000

export class Collections {
  #seen: Stretch[] = []

  constructor() {
    const observer = new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) {
        this.#seen.push({ fromMs: startTime, toMs: startTime + duration })
      }
      const oldest = performance.now() - KEPT_MS
      if ((this.#seen[0]?.toMs ?? oldest) < oldest) this.#seen = this.#seen.filter(({ toMs }) => toMs >= oldest)
    })
    observer.observe({ entryTypes: ['gc'] })
  }

  /** Tells how much of a stretch by `performance.now()` it was, once all that ended in it is known: two turns later. */
  during(fromMs: number, toMs: number, done: (ms: number) => void): void {
    const sum = () => {
      let ms = 0
      for (const seen of this.#seen) ms += Math.max(0, Math.min(toMs, seen.toMs) - Math.max(fromMs, seen.fromMs))
      done(ms)
    }
    setImmediate(() => setImmediate(() => setImmediate(sum)))
  }
}
