/**
 * Leader's time (architecture §2): the only clock that stamps commands. It begins at max(wall, the view's last at') when
 * a new leader is ready and then follows the monotonic clock, slewed toward the wall. Invariant: it never goes back and
 * never jumps, except a forward step that a majority of peers confirms.
 */
import type { Env } from '../base/env.ts'

/** A wall clock ahead: the gap closes at this share of the time that passes, so that nothing waits hours for it. */
const SLEW_AHEAD = 0.1
/** A wall clock behind (somebody set it back): delays may stretch by this share at most, hardly to be noticed. */
const SLEW_BEHIND = 0.01

export class LeaderClock {
  readonly #env: Env
  readonly #wallMs: () => number
  /** Leader's time, ms with fraction, at monotonic time `#mono`. */
  #time: number
  #mono: number

  /**
   * `lastAt`: the view's last at' once the own term's first entry is applied. `wallMs`: the wall clock as far as the
   * group's other clocks bear it out.
   */
  constructor(env: Env, lastAt: number, wallMs: () => number) {
    this.#env = env
    this.#wallMs = wallMs
    this.#time = Math.max(wallMs(), lastAt)
    this.#mono = env.monoMs()
  }

  /** Leader's time, whole ms; never lower than an earlier answer. */
  now(): number {
    const mono = this.#env.monoMs()
    const passed = mono - this.#mono
    if (passed > 0) {
      const gap = this.#wallMs() - (this.#time + passed)
      const slew = gap > 0 ? Math.min(gap, passed * SLEW_AHEAD) : Math.max(gap, -passed * SLEW_BEHIND)
      this.#time += passed + slew
      this.#mono = mono
    }
    return Math.floor(this.#time)
  }

  /** Wall clock minus leader's time, ms. */
  gapMs(): number {
    return this.#env.wallMs() - this.now()
  }

  /** Monotonic ms until `now()` has surely not yet passed `time` by much: what a timer waits before it looks again. */
  waitMs(time: number): number {
    const rest = time - this.now()
    if (rest <= 0) return 0
    return this.#wallMs() > this.now() ? rest / (1 + SLEW_AHEAD) : rest
  }

  /** Follows a step that a majority of peers confirms, if this node's own wall clock made it too. */
  followForwardStep(wallMs: number): void {
    const target = Math.min(wallMs, this.#env.wallMs())
    if (target > this.now()) this.#time = target
  }
}
