/**
 * The only source of time and chance in the house. Everything above raft/ and views/ takes an `Env`; those two take
 * none at all. A simulation gives a virtual one, a process the real one (`node/`, `client/`, `cli/` create it).
 */
export interface Env {
  /** Wall clock, ms since 1970 UTC. May step and lie; used for due times only, never for liveness. */
  wallMs(): number
  /** Monotonic clock, ms from an arbitrary zero, fractional. Used for ticks, leases of streams, backoff. */
  monoMs(): number
  /** Uniform in [0, 1). */
  random(): number
  /** `count` unpredictable bytes (session and producer ids). */
  randomBytes(count: number): Uint8Array
  /** Calls `run` once after `ms` (>= 0) by the monotonic clock. */
  after(ms: number, run: () => void): Timer
  /** Calls `run` at the end of this turn of the event loop. This is what closes a batch. */
  endOfTurn(run: () => void): void
}

export interface Timer {
  /** Idempotent; after it `run` is not called. */
  cancel(): void
}
