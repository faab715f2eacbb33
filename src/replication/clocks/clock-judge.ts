/** What was proven last of this node's own wall clock: what proves nothing changes nothing. */
import type { NodeId } from '../../base/ids.ts'
import { type ClockVerdict, clockVerdict } from './clock-verdict.ts'
import type { PeerClocks } from './peer-clocks.ts'

export class ClockJudge {
  readonly #clocks: PeerClocks
  readonly #maxSkewMs: number
  #standing: ClockVerdict = { verdict: 'unknown', offsetMs: 0 }

  constructor(clocks: PeerClocks, maxSkewMs: number) {
    this.#clocks = clocks
    this.#maxSkewMs = maxSkewMs
  }

  /** By the clocks of `peers`, the other nodes of the cluster, as far as they were heard from lately. */
  judge(peers: ReadonlySet<NodeId>): ClockVerdict {
    const readings = { peers: this.#clocks.intervals(peers), nodes: peers.size + 1, maxSkewMs: this.#maxSkewMs }
    const verdict = clockVerdict(readings)
    if (verdict.verdict !== 'unknown') this.#standing = verdict
    return this.#standing
  }
}
