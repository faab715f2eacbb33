/**
 * When groups are to be looked at by time alone, by the leader's clock or the monotonic one, under one timer for the
 * earliest. Times of the leader's clock are kept as such, since how fast it runs may change.
 */
import type { Env, Timer } from '../../base/env.ts'
import type { LeaderClock } from '../leader-clock.ts'
import { KeyedHeap } from './keyed-heap.ts'
import type { Outlook } from './outlook.ts'

/** Runtimes limit timers: what lies further ahead is looked at again after this, ms. */
const TIMER_MS_MAX = 3_600_000

export class WakeTimes<G> {
  readonly #env: Env
  readonly #clock: LeaderClock
  readonly #wake: (group: G) => void
  readonly #leader = new KeyedHeap<G, number>(isLess)
  readonly #mono = new KeyedHeap<G, number>(isLess)
  #timer: Timer | undefined
  /** Monotonic. */
  #timerAt = 0

  constructor(env: Env, clock: LeaderClock, wake: (group: G) => void) {
    this.#env = env
    this.#clock = clock
    this.#wake = wake
  }

  /** Replaces what was known of the group. */
  set(group: G, { wakeAt, wakeMono }: Pick<Outlook, 'wakeAt' | 'wakeMono'>): void {
    put(this.#leader, group, wakeAt)
    put(this.#mono, group, wakeMono)
  }

  forget(group: G): void {
    this.#leader.delete(group)
    this.#mono.delete(group)
  }

  /** Sets the timer for the earliest. One that fires too early only looks again; one that would fire too late is replaced. */
  arm(): void {
    const { firstKey: at } = this.#leader
    const { firstKey: mono } = this.#mono
    if (at === undefined && mono === undefined) return
    const nowMono = this.#env.monoMs()
    let wait = TIMER_MS_MAX
    if (at !== undefined) wait = Math.min(wait, this.#clock.waitMs(at))
    if (mono !== undefined) wait = Math.min(wait, mono - nowMono)
    const timerAt = nowMono + Math.max(1, Math.ceil(wait))
    if (this.#timer !== undefined && this.#timerAt <= timerAt) return
    this.#timer?.cancel()
    this.#timerAt = timerAt
    this.#timer = this.#env.after(timerAt - nowMono, () => this.#fired())
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #fired(): void {
    this.#timer = undefined
    this.#take(this.#leader, this.#clock.now())
    this.#take(this.#mono, this.#env.monoMs())
    this.arm()
  }

  #take(heap: KeyedHeap<G, number>, until: number): void {
    for (let { first, firstKey } = heap; first !== undefined; { first, firstKey } = heap) {
      if (firstKey === undefined || firstKey > until) return
      heap.delete(first)
      this.#wake(first)
    }
  }
}

function put<G>(heap: KeyedHeap<G, number>, group: G, time: number): void {
  if (time === Number.POSITIVE_INFINITY) heap.delete(group)
  else heap.set(group, time)
}

function isLess(a: number, b: number): boolean {
  return a < b
}
