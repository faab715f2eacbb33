/**
 * The peers' wall clocks as their frames carried them, each within an interval: a peer's clock has reached what its frame
 * says, and is further by at most what the frame and the stamp that it answers spent on the way together. Kept against
 * the own monotonic clock, so that a reading neither ages wrong nor follows a step of the own wall clock.
 */
import type { Env } from '../../base/env.ts'
import type { NodeId } from '../../base/ids.ts'
import type { Echo, FrameClock } from '../frame/frame-clock.ts'
import type { ClockInterval } from './clock-verdict.ts'

/** An older reading says nothing about the clock of today. */
const AGE_MAX_MS = 5000
/** For so long a reading stands beside later ones that say less and do not contradict it: those of frames that had to wait. */
const KEPT_MS = 500
/** A wall clock is sent in whole ms, rounded down. */
const ROUNDED_MS = 1
/** Of stamps; what was stamped before a restart is not mistaken for one of this process. */
const STAMP_BITS = 47

export interface PeerClock {
  /** The peer's wall clock minus ours, ms, at least; less than the truth by the time a frame travels. */
  readonly offsetMs: number
  readonly ageMs: number
}

/** One peer's clock. */
interface Reading {
  /** The peer's wall clock minus the own monotonic one, ms, at least and at most. */
  lowMs: number
  highMs: number
  /** Own monotonic clock, ms. */
  readMs: number
  /** The last stamp of the peer, and when it came. */
  stamp: number
  stampMs: number
}

export class PeerClocks {
  readonly #env: Env
  readonly #self: NodeId
  readonly #readings = new Map<NodeId, Reading>()
  /** Of the own monotonic clock's zero. */
  readonly #stampBase: number

  constructor(env: Env, self: NodeId) {
    this.#env = env
    this.#self = self
    this.#stampBase = Math.floor(env.random() * 2 ** STAMP_BITS)
  }

  /** What a frame to `node` is to carry. */
  of(node: NodeId): FrameClock {
    const now = this.#env.monoMs()
    return { wallMs: this.#env.wallMs(), stamp: this.#stampBase + Math.floor(now), echo: this.#echo(node, now) }
  }

  /** A frame from `node` carried `clock`. */
  note(node: NodeId, { wallMs, stamp, echo }: FrameClock): void {
    const now = this.#env.monoMs()
    const lowMs = wallMs - now
    const highMs = lowMs + ROUNDED_MS + this.#travelMs(echo, now)
    const reading = this.#readings.get(node)
    if (reading === undefined) {
      this.#readings.set(node, { lowMs, highMs, readMs: now, stamp, stampMs: now })
      return
    }
    reading.stamp = stamp
    reading.stampMs = now
    if (saysMore(reading, lowMs, highMs, now)) return
    reading.lowMs = lowMs
    reading.highMs = highMs
    reading.readMs = now
  }

  all(): ReadonlyMap<NodeId, PeerClock> {
    const now = this.#env.monoMs()
    const ownAheadMs = this.#ownAheadMs()
    const clocks = new Map<NodeId, PeerClock>()
    for (const [node, { lowMs, readMs }] of this.#readings) {
      clocks.set(node, { offsetMs: lowMs - ownAheadMs, ageMs: now - readMs })
    }
    return clocks
  }

  /** How far the clocks of `peers` are from the own one now, of those that were heard from lately. */
  intervals(peers: ReadonlySet<NodeId>): ClockInterval[] {
    const ownAheadMs = this.#ownAheadMs()
    const intervals: ClockInterval[] = []
    for (const [node, reading] of this.#readings) {
      if (!peers.has(node) || !this.#isFresh(reading)) continue
      intervals.push({ lowMs: reading.lowMs - ownAheadMs, highMs: reading.highMs - ownAheadMs })
    }
    return intervals
  }

  /**
   * The latest time that a majority of `nodes`' wall clocks have reached, minus the own monotonic clock, ms; undefined
   * when fewer are known. What a clock has reached for sure is its reading's lower end.
   */
  majorityAheadMs(nodes: readonly NodeId[]): number | undefined {
    const known: number[] = []
    for (const node of nodes) {
      if (node === this.#self) known.push(this.#ownAheadMs())
      const reading = this.#readings.get(node)
      if (node !== this.#self && reading !== undefined && this.#isFresh(reading)) known.push(reading.lowMs)
    }
    return known.sort((a, b) => b - a)[nodes.length >> 1]
  }

  #echo(node: NodeId, now: number): Echo | undefined {
    const reading = this.#readings.get(node)
    return reading && { stamp: reading.stamp, heldMs: now - reading.stampMs }
  }

  /** At most, ms: of the frame that brought `echo`, and of the one that it answers. */
  #travelMs(echo: Echo | undefined, now: number): number {
    if (echo === undefined) return Number.POSITIVE_INFINITY
    const ms = this.#stampBase + now - echo.stamp - echo.heldMs
    // An answer to a process that was here before this one.
    return ms >= 0 ? ms : Number.POSITIVE_INFINITY
  }

  #ownAheadMs(): number {
    return this.#env.wallMs() - this.#env.monoMs()
  }

  #isFresh({ readMs }: Reading): boolean {
    return this.#env.monoMs() - readMs <= AGE_MAX_MS
  }
}

function saysMore(reading: Reading, lowMs: number, highMs: number, now: number): boolean {
  const agrees = lowMs <= reading.highMs && highMs >= reading.lowMs
  return agrees && now - reading.readMs <= KEPT_MS && reading.highMs - reading.lowMs < highMs - lowMs
}
