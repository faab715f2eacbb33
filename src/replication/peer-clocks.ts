/**
 * The peers' wall clocks as their frames carried them: kept against the own monotonic clock, so that a reading neither
 * ages wrong nor follows a step of the own wall clock.
 */
import type { Env } from '../base/env.ts'
import type { NodeId } from '../base/ids.ts'
import { type ClockVerdict, clockVerdict } from './clock-verdict.ts'

/** An older reading says nothing about the clock of today. */
const AGE_MAX_MS = 5000

export interface PeerClock {
  /** The peer's wall clock minus ours, ms; behind by the time a frame travels. */
  readonly offsetMs: number
  readonly ageMs: number
}

interface Reading {
  /** The peer's wall clock minus the own monotonic one, ms. */
  aheadMs: number
  readMs: number
}

export class PeerClocks {
  readonly #env: Env
  readonly #self: NodeId
  readonly #readings = new Map<NodeId, Reading>()

  constructor(env: Env, self: NodeId) {
    this.#env = env
    this.#self = self
  }

  note(node: NodeId, wallMs: number): void {
    const readMs = this.#env.monoMs()
    const aheadMs = wallMs - readMs
    const reading = this.#readings.get(node)
    if (reading === undefined) {
      this.#readings.set(node, { aheadMs, readMs })
      return
    }
    reading.aheadMs = aheadMs
    reading.readMs = readMs
  }

  all(): ReadonlyMap<NodeId, PeerClock> {
    const now = this.#env.monoMs()
    const ownAheadMs = this.#ownAheadMs()
    const clocks = new Map<NodeId, PeerClock>()
    for (const [node, { aheadMs, readMs }] of this.#readings) {
      clocks.set(node, { offsetMs: aheadMs - ownAheadMs, ageMs: now - readMs })
    }
    return clocks
  }

  /** Judges the own clock by those of `peers`, the other nodes of the cluster, as far as they were heard from lately. */
  judge(peers: ReadonlySet<NodeId>, maxSkewMs: number): ClockVerdict {
    const now = this.#env.monoMs()
    const peersMs: number[] = []
    for (const [node, reading] of this.#readings) {
      if (peers.has(node) && this.#isFresh(reading)) peersMs.push(now + reading.aheadMs)
    }
    return clockVerdict({ ownMs: this.#env.wallMs(), peersMs, nodes: peers.size + 1, maxSkewMs })
  }

  /**
   * The latest time that a majority of `nodes`' wall clocks have reached, minus the own monotonic clock, ms; undefined
   * when fewer are known.
   */
  majorityAheadMs(nodes: readonly NodeId[]): number | undefined {
    const known: number[] = []
    for (const node of nodes) {
      if (node === this.#self) known.push(this.#ownAheadMs())
      const reading = this.#readings.get(node)
      if (node !== this.#self && reading !== undefined && this.#isFresh(reading)) known.push(reading.aheadMs)
    }
    return known.sort((a, b) => b - a)[nodes.length >> 1]
  }

  #ownAheadMs(): number {
    return this.#env.wallMs() - this.#env.monoMs()
  }

  #isFresh({ readMs }: Reading): boolean {
    return this.#env.monoMs() - readMs <= AGE_MAX_MS
  }
}
