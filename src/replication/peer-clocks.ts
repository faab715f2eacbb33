/** The peers' wall clocks as their frames carried them: kept as offsets, so that a reading ages without growing wrong. */
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

export class PeerClocks {
  readonly #env: Env
  readonly #readings = new Map<NodeId, { offsetMs: number; readMs: number }>()

  constructor(env: Env) {
    this.#env = env
  }

  note(node: NodeId, wallMs: number): void {
    const offsetMs = wallMs - this.#env.wallMs()
    const reading = this.#readings.get(node)
    if (reading === undefined) {
      this.#readings.set(node, { offsetMs, readMs: this.#env.monoMs() })
      return
    }
    reading.offsetMs = offsetMs
    reading.readMs = this.#env.monoMs()
  }

  all(): ReadonlyMap<NodeId, PeerClock> {
    const now = this.#env.monoMs()
    const clocks = new Map<NodeId, PeerClock>()
    for (const [node, { offsetMs, readMs }] of this.#readings) clocks.set(node, { offsetMs, ageMs: now - readMs })
    return clocks
  }

  /** Judges the own clock by those of `peers`, the other nodes of the cluster, as far as they were heard from lately. */
  judge(peers: ReadonlySet<NodeId>, maxSkewMs: number): ClockVerdict {
    const now = this.#env.monoMs()
    const ownMs = this.#env.wallMs()
    const peersMs: number[] = []
    for (const [node, { offsetMs, readMs }] of this.#readings) {
      if (peers.has(node) && now - readMs <= AGE_MAX_MS) peersMs.push(ownMs + offsetMs)
    }
    return clockVerdict({ ownMs, peersMs, nodes: peers.size + 1, maxSkewMs })
  }
}
