/**
 * When leases may end by the monotonic clock (architecture §6): a leader ends one only when leaseMs also passed since it
 * applied the deliver or extend, so that time slewed or stepped forward ends none early. Kept by deadline, not by lease:
 * leases with one deadline end together, at the latest of their times.
 */
import type { Lease } from '../../../views/timer/queries.ts'

export interface TakeOver {
  /** Monotonic and leader's time at which this leader became ready. */
  readonly monoMs: number
  readonly at: number
  readonly maxClockSkewMs: number
}

const SWEEP_MIN = 1024

export class LeaseClock {
  readonly #takeOver: TakeOver
  readonly #endByDeadline = new Map<number, number>()
  #sweepAt = SWEEP_MIN

  constructor(takeOver: TakeOver) {
    this.#takeOver = takeOver
  }

  /** This leader applied a deliver or extend that gave `deadline`. */
  granted(deadline: number, leaseMs: number, monoMs: number): void {
    if (deadline === Number.POSITIVE_INFINITY) return
    this.#endByDeadline.set(deadline, Math.max(monoMs + leaseMs, this.#endByDeadline.get(deadline) ?? 0))
  }

  /** Monotonic time from which the lease may end. A lease of an earlier leader: min(remaining + skew, leaseMs) from take-over. */
  endOf(lease: Pick<Lease, 'deadline' | 'leaseMs'>): number {
    const { monoMs, at, maxClockSkewMs } = this.#takeOver
    const inherited = monoMs + Math.max(0, Math.min(lease.deadline - at + maxClockSkewMs, lease.leaseMs))
    // A lease granted here runs leaseMs from later than the take-over: `inherited` never exceeds its own end.
    return Math.max(inherited, this.#endByDeadline.get(lease.deadline) ?? 0)
  }

  /** Forgets, now and then, deadlines before the earliest that still runs (undefined: none runs). */
  forgetBefore(deadline = Number.POSITIVE_INFINITY): void {
    if (this.#endByDeadline.size < this.#sweepAt) return
    for (const known of this.#endByDeadline.keys()) if (known < deadline) this.#endByDeadline.delete(known)
    this.#sweepAt = SWEEP_MIN + 2 * this.#endByDeadline.size
  }
}
