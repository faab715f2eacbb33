/**
 * What a node looks after now and then, for all its replicas together: its clock against those of its peers, groups that
 * keep the log large, a disk that is full, stuck or takes no checkpoints. A node that is not fit to lead gives its
 * leaderships up and does not campaign.
 */
import type { GroupId, NodeId } from '../base/ids.ts'
import type { StateStore } from '../storage/state/types.ts'
import type { Wal } from '../storage/wal/types.ts'
import { LogRelief, type LogReliefParts } from './checkpoints/log-relief.ts'
import { ClockJudge } from './clocks/clock-judge.ts'
import type { ClockVerdict } from './clocks/clock-verdict.ts'
import type { PeerClocks } from './clocks/peer-clocks.ts'
import type { ReplicationEvent } from './events.ts'
import type { Member, RefusalReason } from './group.ts'
import type { ReplicationLimits, Timing } from './options.ts'
import type { Outbox } from './outbox.ts'

interface HousekeepingParts extends Omit<LogReliefParts, 'wal'> {
  readonly clocks: PeerClocks
  readonly outbox: Outbox
  readonly wal: Wal
  readonly state: Pick<StateStore, 'ready'>
  readonly limits: Pick<ReplicationLimits, 'walPendingBytes'>
  readonly maxSkewMs: number
  readonly timing: Pick<Timing, 'tickMs'>
  readonly node: NodeId
  readonly replicas: () => Iterable<{ readonly members: readonly Member[] }>
  readonly event: (event: ReplicationEvent) => void
}

/** Between two looks. */
const EVERY_MS = 1000
/** Of what may wait for the log, in proposals' terms. */
const APPENDS_SHARE = 2
/** What a proposal is told while the log does not take it. */
const LOG_REFUSES = { full: 'DISK_FULL', stuck: 'OVERLOADED', failed: 'SHUTTING_DOWN' } as const

export class Housekeeping {
  readonly #parts: HousekeepingParts
  /** Their last checkpoint failed: memory fills, and in the end they stop applying. */
  readonly #unsaved = new Set<GroupId>()
  readonly #relief: LogRelief
  readonly #clock: ClockJudge
  #looksWithoutState = 0
  /** As it was told last. */
  #skewed = false
  #ticks = 0
  /** As of the last look: a vote of every group asks for it. */
  #peers: ReadonlySet<NodeId> | undefined

  constructor(parts: HousekeepingParts) {
    this.#parts = parts
    this.#relief = new LogRelief(parts)
    this.#clock = new ClockJudge(parts.clocks, parts.maxSkewMs)
    parts.outbox.silent = () => this.skewed
  }

  /** The own clock is too far from the others', as far as was proven last: this node must not come to lead. */
  get skewed(): boolean {
    return this.#judge().verdict === 'skewed'
  }

  get fitToLead(): boolean {
    const { state } = this.#parts.wal
    const savesState = this.#unsaved.size === 0 && !this.#stateIsGone
    return !this.#skewed && savesState && state !== 'full' && state !== 'stuck'
  }

  /** Why the log takes no proposals now. */
  get refusal(): RefusalReason | undefined {
    const { wal, limits } = this.#parts
    const { state, pendingBytes } = wal
    if (state !== 'ok') return LOG_REFUSES[state]
    return pendingBytes > limits.walPendingBytes || this.#stateIsGone ? 'OVERLOADED' : undefined
  }

  /**
   * False while what others' leaders sent and the log has not written is too much of this node's memory: more of it counts as
   * lost on the way. The own proposals stop well before.
   */
  get takesAppends(): boolean {
    const { wal, limits } = this.#parts
    return wal.pendingBytes <= APPENDS_SHARE * limits.walPendingBytes
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

  /** True now and then: it was looked after everything. */
  tick(ticks: number): boolean {
    this.#ticks += ticks
    if (this.#ticks * this.#parts.timing.tickMs < EVERY_MS) return false
    this.#ticks = 0
    this.#peers = undefined
    this.#judgeClock()
    this.#relief.look()
    this.#looksWithoutState = this.#parts.state.ready() === undefined ? 0 : this.#looksWithoutState + 1
    return true
  }

  /** The other nodes with replicas of the groups here. */
  get peers(): ReadonlySet<NodeId> {
    this.#peers ??= this.#findPeers()
    return this.#peers
  }

  /** It could not be opened again for a while: nothing is applied. */
  get #stateIsGone(): boolean {
    return this.#looksWithoutState > 1
  }

  #judgeClock(): void {
    const { event } = this.#parts
    const judged = this.#judge()
    const skewed = judged.verdict === 'skewed'
    if (skewed !== this.#skewed) event({ type: 'clock', ...judged })
    this.#skewed = skewed
  }

  #judge(): ClockVerdict {
    return this.#clock.judge(this.peers)
  }

  #findPeers(): ReadonlySet<NodeId> {
    const { node: self, replicas } = this.#parts
    const peers = new Set<NodeId>()
    for (const { members } of replicas()) for (const { node } of members) peers.add(node)
    peers.delete(self)
    return peers
  }
}
