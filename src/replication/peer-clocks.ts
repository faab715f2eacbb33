/** The peers' wall clocks as their frames carried them: kept as offsets, so that a reading ages without growing wrong. */
import type { Env } from '../base/env.ts'
import type { NodeId } from '../base/ids.ts'

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

  /** What the clocks of `nodes` show now, of those heard from within `maxAgeMs`. */
  recent(nodes: ReadonlySet<NodeId>, maxAgeMs: number): readonly number[] {
    const now = this.#env.monoMs()
    const wall = this.#env.wallMs()
    const clocks: number[] = []
    for (const [node, { offsetMs, readMs }] of this.#readings) {
      if (nodes.has(node) && now - readMs <= maxAgeMs) clocks.push(wall + offsetMs)
    }
    return clocks
  }
}
