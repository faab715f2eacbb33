/**
 * What a node looks after now and then, for all its replicas together: its clock against those of its peers, groups that
 * keep the log large, a disk that is full, stuck or takes no checkpoints. A node that is not fit to lead gives its
 * leaderships up and does not campaign.
 */
import type { GroupId, NodeId } from '../base/ids.ts'
import type { StateStore } from '../storage/state/types.ts'
import type { Wal } from '../storage/wal/types.ts'
import type { ClockVerdict } from './clock-verdict.ts'
import type { ReplicationEvent } from './events.ts'
import type { RefusalReason } from './group.ts'
import { LogRelief, type LogReliefParts } from './log-relief.ts'
import type { ReplicationLimits } from './options.ts'
import type { Outbox } from './outbox.ts'
import type { PeerClocks } from './peer-clocks.ts'

interface HousekeepingParts extends Omit<LogReliefParts, 'wal'> {
  readonly clocks: PeerClocks
  readonly outbox: Outbox
  readonly wal: Wal
  readonly state: Pick<StateStore, 'ready'>
  readonly limits: Pick<ReplicationLimits, 'walPendingBytes'>
  readonly maxSkewMs: number
  /** The nodes of all groups here, without this one. */
  readonly peers: () => ReadonlySet<NodeId>
  readonly event: (event: ReplicationEvent) => void
}

/** What a proposal is told while the log does not take it. */
const LOG_REFUSES = { full: 'DISK_FULL', stuck: 'OVERLOADED', failed: 'SHUTTING_DOWN' } as const

export class Housekeeping {
  readonly #parts: HousekeepingParts
  /** Their last checkpoint failed: memory fills, and in the end they stop applying. */
  readonly #unsaved = new Set<GroupId>()
  readonly #relief: LogRelief
  #looksWithoutState = 0
  /** As it was told last. */
  #skewed = false

  constructor(parts: HousekeepingParts) {
    this.#parts = parts
    this.#relief = new LogRelief(parts)
    parts.outbox.silent = () => this.skewed
  }

  /** The own clock is, at this moment, too far from the others': this node must not come to lead. */
  get skewed(): boolean {
    return this.#judge().verdict === 'skewed'
  }

  get fitToLead(): boolean {
    const { state } = this.#parts.wal.stats()
    const savesState = this.#unsaved.size === 0 && !this.#stateIsGone
    return !this.#skewed && savesState && state !== 'full' && state !== 'stuck'
  }

  /** Why the log takes no proposals now. */
  get refusal(): RefusalReason | undefined {
    const { wal, limits } = this.#parts
    const { state, pendingBytes } = wal.stats()
    if (state !== 'ok') return LOG_REFUSES[state]
    return pendingBytes > limits.walPendingBytes || this.#stateIsGone ? 'OVERLOADED' : undefined
  }

  /** Events of the replicas that tell whether their checkpoints succeed. */
  note(event: ReplicationEvent): void {
    this.#relief.note(event)
    if (event.type === 'checkpointFailed') this.#unsaved.add(event.group)
    if (event.type === 'checkpointed' || event.type === 'snapshotInstalled') this.#unsaved.delete(event.group)
  }

  /** The replica does not run any more. */
  forget(group: GroupId): void {
    this.#unsaved.delete(group)
  }

  look(): void {
    this.#judgeClock()
    this.#relief.look()
    this.#looksWithoutState = this.#parts.state.ready() === undefined ? 0 : this.#looksWithoutState + 1
  }

  /** It could not be opened again for a while: nothing is applied. */
  get #stateIsGone(): boolean {
    return this.#looksWithoutState > 1
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
}

/** Whether some leadership is still on its way to somebody else. */
export function handOver(replicas: Iterable<{ handOver(): boolean }>): boolean {
  let moving = false
  for (const replica of replicas) if (replica.handOver()) moving = true
  return moving
}
