/**
 * Whether this node should be sent requests: what /readyz and grpc.health.v1 answer (docs/decisions, readiness). A node
 * that can neither lead nor find who does is not ready; one that only follows is. Losing a leader for a moment is an
 * election, not a reason.
 */
import type { Env, Timer } from '../../base/env.ts'

/** Mutable facts that several parts of the node set. */
export interface Health {
  stopping: boolean
  /** It cannot be trusted any more: it closes what it can, and ends. */
  failed: boolean
  /** Why the log takes nothing more now; undefined: it does. */
  disk: string | undefined
  clockOk: boolean
  /** What it waits for: set until the node serves, and again once it stops. */
  notReady: string | (() => string) | undefined
}

/** Elections end within 2 s; what lasts longer is a lost majority. */
export const LEADERLESS_MS = 5000
/** Between two looks for others' sake while it is not ready, and while it is; whoever asks is told as it is now. */
const LOOK_OFTEN_MS = 250
const LOOK_SELDOM_MS = 1000

export class Readiness {
  readonly #env: Env
  readonly #health: Readonly<Health>
  readonly #listeners: ((reasons: readonly string[]) => void)[] = []
  #hasLeader: () => boolean = () => true
  #leaderSeenAt = 0
  #wasReady = false
  #timer: Timer | undefined
  readonly #waiting: (() => void)[] = []

  constructor(env: Env, health: Readonly<Health>) {
    this.#env = env
    this.#health = health
  }

  /** `listener` is called when the node becomes ready (no reasons) and when it is so no more. */
  observe(listener: (reasons: readonly string[]) => void): void {
    this.#listeners.push(listener)
  }

  /** The node serves from now on, as far as the others let it: `hasLeader` says whether a leader of the catalog is known. */
  watch(hasLeader: () => boolean): void {
    this.#hasLeader = hasLeader
    this.#leaderSeenAt = this.#env.monoMs()
    this.#look()
  }

  /** Why not; empty when ready. */
  reasons(): readonly string[] {
    const env = this.#env
    const health = this.#health
    const { notReady, stopping, failed, disk } = health
    const reasons: string[] = []
    if (notReady !== undefined) reasons.push(typeof notReady === 'string' ? notReady : notReady())
    if (stopping || failed) return reasons
    // While it starts as well: they may be why it does not get further.
    if (disk !== undefined) reasons.push(disk)
    if (!health.clockOk) reasons.push("its clock differs from the others' by more than max_clock_skew")
    if (notReady !== undefined) return reasons
    if (this.#hasLeader()) this.#leaderSeenAt = env.monoMs()
    const missingMs = env.monoMs() - this.#leaderSeenAt
    if (missingMs > LEADERLESS_MS) {
      reasons.push(
        `no leader of the catalog is known for ${Math.round(missingMs / 1000)} s: no majority of nodes answers`,
      )
    }
    return reasons
  }

  /** Resolves when the node is ready for the first time. */
  ready(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#wasReady) resolve()
      else this.#waiting.push(resolve)
    })
  }

  close(): void {
    this.#timer?.cancel()
  }

  #look(): void {
    const reasons = this.reasons()
    const isReady = reasons.length === 0
    this.#timer = this.#env.after(isReady ? LOOK_SELDOM_MS : LOOK_OFTEN_MS, () => this.#look())
    if (isReady === this.#wasReady) return
    this.#wasReady = isReady
    for (const listener of this.#listeners) listener(reasons)
    if (isReady) for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
