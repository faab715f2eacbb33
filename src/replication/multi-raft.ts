/**
 * The replicas of one shard on this node (multi-Raft): starts and stops them, hands them their messages and ticks, and
 * keeps what belongs to the node as a whole: clocks, a full disk, the way out.
 */
import type { Timer } from '../base/env.ts'
import { SandglassError } from '../base/errors.ts'
import type { GroupId, NodeId } from '../base/ids.ts'
import { InTurns } from '../base/in-turns.ts'
import { VISITS_PER_TURN } from '../base/limits.ts'
import type { View } from '../views/view.ts'
import { GroupClock } from './clocks/group-clock.ts'
import { type PeerClock, PeerClocks } from './clocks/peer-clocks.ts'
import type { ReplicationEvent } from './events.ts'
import type { GroupHandle, GroupSpec, Member, ProposalOutcome, RefusalReason } from './group.ts'
import { leave } from './hand-over.ts'
import { Housekeeping } from './housekeeping.ts'
import { Inbox } from './inbox.ts'
import { JobSlots } from './job-slots.ts'
import type { MemberChange } from './member-change.ts'
import { MemoryGuard } from './memory-guard.ts'
import { OneAtATime } from './one-at-a-time.ts'
import { openReplica } from './open-replica.ts'
import { DEFAULT_LIMITS, DEFAULT_TIMING, type MultiRaftOptions } from './options.ts'
import { Outbox } from './outbox.ts'
import { electionTicks, pulseTicks } from './raft-config.ts'
import type { Replica } from './replica.ts'
import { discardReplica, refuseLostReplica } from './replica-removal.ts'
import type { Shard } from './shard.ts'
import { type MultiRaftStats, ShardBooks } from './shard-books.ts'
import { Slumber } from './slumber.ts'
import { SnapshotSender } from './snapshot-sender.ts'
import { StallWatch } from './stall-watch.ts'
import { Ticker } from './ticker.ts'
import type { PeerReceiver } from './transport.ts'
import { TurnLoop } from './turn-loop.ts'

type AnyReplica = Replica<unknown, unknown, View>

/** LevelDB jobs at a time; more of them make fdatasync wait (architecture §8.5). */
const JOBS_MAX = 2
const MAX_CLOCK_SKEW_MS = 2000
/** Leaving: how long everything may take to reach the disk. */
const CLOSE_MS_MAX = 8000

export class MultiRaft implements PeerReceiver {
  readonly #options: MultiRaftOptions
  readonly #shard: Shard
  readonly #loop: TurnLoop
  readonly #inbox: Inbox
  readonly #clocks: PeerClocks
  readonly #housekeeping: Housekeeping
  readonly #slumber: Slumber<AnyReplica>
  readonly #ticker: Ticker<AnyReplica>
  readonly #replicas = new Map<GroupId, AnyReplica>()
  readonly #changes = new OneAtATime()
  /** Nodes that were heard from since they were down. */
  readonly #up = new Set<NodeId>()
  readonly #books = new ShardBooks()
  readonly #memory: MemoryGuard
  readonly #listeners: ((group: GroupId) => void)[] = []
  #closing = false
  #dead = false

  constructor(options: MultiRaftOptions) {
    const { env, wal, state, transport } = options
    const timing = { ...DEFAULT_TIMING, ...options.timing }
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    const slots = new JobSlots(JOBS_MAX)
    this.#clocks = new PeerClocks(env, options.node)
    const outbox = new Outbox(this.#clocks, transport)
    const event = (event: ReplicationEvent) => this.#event(event)
    const fatal = (error: unknown) => this.#fatal(error)
    this.#options = options
    const maxSkewMs = options.maxClockSkewMs ?? MAX_CLOCK_SKEW_MS
    this.#memory = new MemoryGuard(limits)
    this.#housekeeping = new Housekeeping({
      ...{ clocks: this.#clocks, outbox, wal, state, limits, event, maxSkewMs, timing, node: options.node },
      replicas: () => this.handles(),
      relieve: (group) => this.#replicas.get(group)?.relieveLog() ?? false,
      relieving: (group) => this.#replicas.get(group)?.saving ?? false,
    })
    this.#loop = new TurnLoop({
      ...{ env, outbox, fatal, tickMs: timing.tickMs, sliceMs: limits.sliceMs },
      watch: new StallWatch(env, timing, () => this.#ticker.stoodStill()),
      stateReady: () => state.ready(),
      wanted: () => (this.#slumber.awake.size > 0 ? 1 : this.#slumber.ticksToPulse),
      onTurn: () => this.#inbox.turned(),
      onMissed: (ticks) => this.#ticker.missed(ticks),
      onTick: (ticks) => this.#ticker.tick(ticks),
    })
    this.#shard = {
      ...{ env, wal, state, timing, limits, slots, outbox, event, fatal, counts: this.#books.proposals },
      clockOf: (nodes) => new GroupClock({ env, clocks: this.#clocks, maxSkewMs, nodes }),
      snapshots: new SnapshotSender({ env, transport, slots, limits, event }),
      mark: (replica) => this.#loop.mark(replica),
      turned: (group) => this.#turned(group),
      changed: (group) => this.#changed(group),
      dropped: () => {
        this.#books.dropped++
      },
      silentTicks: (node) => this.#slumber.silentTicks(node),
      refusal: () => this.#refusal(),
    }
    this.#slumber = new Slumber({
      outbox,
      silentTicks: electionTicks({ timing }),
      pulseTicks: pulseTicks({ timing }),
    })
    this.#ticker = new Ticker<AnyReplica>({
      ...{ housekeeping: this.#housekeeping, slumber: this.#slumber, memory: this.#memory },
      replicas: () => this.#replicas.values(),
      loop: () => this.#loop,
    })
    this.#inbox = new Inbox({
      ...{ env, clocks: this.#clocks, slumber: this.#slumber, housekeeping: this.#housekeeping, fatal },
      replica: (group) => this.#replicas.get(group),
      dead: () => this.#dead,
    })
    transport.attach(this)
  }

  /**
   * Starts this node's replica from its last checkpoint and its log; what the log holds beyond is applied in slices
   * afterwards. Rejects when log and state do not fit together, when the replica was lost to damage or removed, or when
   * the group already runs. A replica left over under an older id is discarded first.
   */
  async start<R, E, V extends View<R, E>>(spec: GroupSpec, createView: () => V): Promise<GroupHandle<R, E, V>> {
    const { group } = spec
    if (this.#closing) throw new SandglassError('SHUTTING_DOWN', `Cannot start group ${group}: the node is stopping`)
    return this.#changes.run(group, async () => {
      if (this.#replicas.has(group)) throw new SandglassError('INTERNAL', `Cannot start group ${group}: it runs`)
      await refuseLostReplica(spec, this.#shard, this.#options)
      await discardReplica(this.#shard, group, spec.replica)
      const replica = await openReplica<R, E, V>(spec, createView, this.#shard)
      this.#books.damaged.delete(group)
      this.#replicas.set(group, replica)
      this.#changed(group)
      this.#slumber.meet(spec.members.map(({ node }) => node).filter((node) => node !== this.#options.node))
      this.#turned(group)
      if (spec.members[0]?.replica === spec.replica) replica.leadership.beFirst()
      return replica.handle
    })
  }

  /** Stops the replica after a last checkpoint; its data stays. Everything it still owes is answered. */
  async stop(group: GroupId): Promise<void> {
    await this.#changes.run(group, () => this.#stop(group, true))
  }

  /** Removes the replica and its data for good, running or not: a tombstone in the log, then the state. */
  async remove(group: GroupId): Promise<void> {
    await this.#changes.run(group, async () => {
      await this.#stop(group, false)
      await discardReplica(this.#shard, group, Number.POSITIVE_INFINITY)
    })
  }

  /** Where the replicas of a running group are, from now on (placement changed). */
  setMembers(group: GroupId, members: readonly Member[]): void {
    this.#replicas.get(group)?.handle.setMembers(members)
    // Whom it relies on in its sleep is known by their nodes.
    this.#turned(group)
  }

  /**
   * Proposes a change of membership to this node's replica, which must lead; answered like a proposal, OVERLOADED while
   * an earlier change is not applied yet. A new replica starts under the initial members and comes in as a learner first.
   */
  changeMembers(group: GroupId, change: MemberChange, done: (outcome: ProposalOutcome<unknown>) => void): void {
    const replica = this.#replicas.get(group)
    if (replica === undefined) done({ type: 'refused', reason: 'NOT_LEADER' })
    // Whoever leads then is to be asked: a leader that leaves would have to hand over in the midst of it.
    else if (replica.leadership.handsOverBefore(change)) done({ type: 'refused', reason: 'NOT_LEADER' })
    else replica.handle.changeMembers(change, done)
  }

  handle(group: GroupId): GroupHandle<unknown, unknown> | undefined {
    return this.#replicas.get(group)?.handle
  }

  handles(): readonly GroupHandle<unknown, unknown>[] {
    return [...this.#replicas.values()].map(({ handle }) => handle)
  }

  stats(): MultiRaftStats {
    return this.#books.stats(this.#replicas.size, this.#slumber.asleep.size)
  }

  /** `listener` is called when a group is new or gone here, or what it says of who leads may have changed; often at a time. */
  observe(listener: (group: GroupId) => void): void {
    this.#listeners.push(listener)
  }

  /** Whether this node may be given leaderships: its clock, its log and its checkpoints are well. */
  get fitToLead(): boolean {
    return this.#housekeeping.fitToLead
  }

  /** The clocks of the peers, as their frames carried them. */
  clocks(): ReadonlyMap<NodeId, PeerClock> {
    return this.#clocks.all()
  }

  frame(from: NodeId, bytes: Uint8Array): Promise<void> | undefined {
    if (!this.#up.has(from)) {
      this.#up.add(from)
      this.#event({ type: 'peerUp', node: from })
    }
    this.#loop.arrived()
    return this.#inbox.frame(from, bytes)
  }

  snapshot(from: NodeId, bytes: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    this.#loop.arrived()
    return this.#inbox.snapshot(from, bytes, chunks)
  }

  peerDown(node: NodeId): void {
    if (this.#dead) return
    this.#up.delete(node)
    this.#event({ type: 'peerDown', node })
    const told = new InTurns<AnyReplica>(this.#options.env, VISITS_PER_TURN, (replica) => {
      if (!this.#dead) replica.post.peerDown(node)
    })
    for (const replica of this.#replicas.values()) told.add(replica)
  }

  /**
   * Hands leaderships over, answers what is left with `unknown` (appended) or SHUTTING_DOWN (not appended), makes the
   * last checkpoints. The log, the state store and the transport are closed by whoever opened them, afterwards.
   */
  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    const replicas = [...this.#replicas.values()]
    await leave(replicas, this.#shard, () => this.#dead)
    // Who sleeps under a leader that could not be handed over is to notice.
    for (const replica of replicas) this.#slumber.forget(replica)
    const stopped = Promise.all(replicas.map((replica) => replica.stop(!this.#dead)))
    for (const { group } of replicas) this.#changed(group)
    let timer: Timer | undefined
    const late = new Promise<void>((resolve) => {
      timer = this.#shard.env.after(CLOSE_MS_MAX, resolve)
    })
    await Promise.race([stopped, late])
    timer?.cancel()
    this.#loop.stop()
    this.#dead = true
  }

  /** What holds this shard cannot be trusted any more: it takes and does nothing more, and saves nothing of its memory. */
  abandon(error: Error): void {
    this.#fatal(error)
  }

  async #stop(group: GroupId, save: boolean): Promise<void> {
    const replica = this.#replicas.get(group)
    if (replica === undefined) return
    if (save) await leave([replica], this.#shard, () => this.#dead)
    this.#slumber.forget(replica)
    const stopped = replica.stop(save)
    // It leads no more, however long its last checkpoint takes.
    this.#changed(group)
    await stopped
    this.#replicas.delete(group)
    this.#housekeeping.forget(group)
    this.#changed(group)
  }

  #refusal(): RefusalReason | undefined {
    if (this.#closing || this.#dead) return 'SHUTTING_DOWN'
    return this.#housekeeping.refusal ?? (this.#memory.full ? 'OVERLOADED' : undefined)
  }

  #turned(group: GroupId): void {
    const replica = this.#replicas.get(group)
    if (replica !== undefined) this.#slumber.turned(replica)
    if (this.#slumber.awake.size > 0) this.#loop.hurry()
  }

  #changed(group: GroupId): void {
    this.#books.look(group, this.#replicas.get(group))
    for (const listener of this.#listeners) listener(group)
  }

  #event(event: ReplicationEvent): void {
    this.#books.note(event)
    if (event.type === 'stateDamaged') this.#books.look(event.group, this.#replicas.get(event.group))
    this.#housekeeping.note(event)
    this.#options.onEvent?.(event)
  }

  #fatal(error: unknown): void {
    if (this.#dead) return
    this.#dead = true
    this.#loop.stop()
    this.#options.onFatal(error instanceof Error ? error : new Error(String(error)))
  }
}
