/**
 * What a node looks after now and then, for all its replicas together: its clock against those of its peers, groups that
 * keep the log large, a full disk. A node that is not fit to lead gives its leaderships up and does not campaign.
 */
import type { NodeId } from '../base/ids.ts'
import type { Wal, WalState } from '../storage/wal/types.ts'
import type { ClockVerdict } from './clock-verdict.ts'
import type { ReplicationEvent } from './events.ts'
import type { Outbox } from './outbox.ts'
import type { PeerClocks } from './peer-clocks.ts'

interface HousekeepingParts {
  readonly clocks: PeerClocks
  readonly outbox: Outbox
  readonly wal: Wal
  readonly maxSkewMs: number
  /** The nodes of all groups here, without this one. */
  readonly peers: () => ReadonlySet<NodeId>
  readonly event: (event: ReplicationEvent) => void
}

export class Housekeeping {
  readonly #parts: HousekeepingParts
  #walState: WalState = 'ok'
  /** As it was told last. */
  #skewed = false

  constructor(parts: HousekeepingParts) {
    this.#parts = parts
    parts.outbox.silent = () => this.skewed
  }

  /** The own clock is, at this moment, too far from the others': this node must not come to lead. */
  get skewed(): boolean {
    return this.#judge().verdict === 'skewed'
  }

  get fitToLead(): boolean {
    return !this.#skewed && this.#walState !== 'full'
  }

  look(): void {
    this.#judgeClock()
    this.#watchLog()
  }

  #judgeClock(): void {
    const { outbox, peers, event } = this.#parts
    // Followers of the same leader do not talk to each other; this frame brings their clocks together.
    outbox.greet(peers())
    const judged = this.#judge()
    const skewed = judged.verdict === 'skewed'
    if (skewed !== this.#skewed) event({ type: 'clock', ...judged })
    this.#skewed = skewed
  }

  #judge(): ClockVerdict {
    const { clocks, maxSkewMs, peers } = this.#parts
    return clocks.judge(peers(), maxSkewMs)
  }

  #watchLog(): void {
    const { state } = this.#parts.wal.stats()
    if (state !== this.#walState) this.#parts.event({ type: 'walState', state })
    this.#walState = state
  }
}
