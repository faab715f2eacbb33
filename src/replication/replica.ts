/**
 * One replica: joins the core, the log, the view and the network. Its core never waits: a Ready's messages leave at once,
 * what depends on the disk leaves after the disk, and committed entries are applied in slices.
 */
import { SandglassError } from '../base/errors.ts'
import type { NodeId, ReplicaId } from '../base/ids.ts'
import type { ConfState } from '../base/log-entry.ts'
import type { ConfChange } from '../raft/conf-change.ts'
import type { RaftGroup } from '../raft/raft.ts'
import type { Message, Ready } from '../raft/types.ts'
import type { GroupState } from '../storage/state/types.ts'
import { UnknownCommandError, type View } from '../views/view.ts'
import { Applier } from './applier.ts'
import { Gate } from './boundary/gate.ts'
import type { Checkpointer } from './checkpoints/checkpointer.ts'
import { createCheckpointer } from './checkpoints/create-checkpointer.ts'
import type { SnapshotHeader } from './frame/frame.ts'
import type { GroupObserver, GroupSpec } from './group.ts'
import { Handle } from './handle.ts'
import { Leadership } from './leadership.ts'
import { membersAfter } from './member-change.ts'
import { Persister } from './persister.ts'
import { Proposals } from './proposals.ts'
import { createCore, electionTicks } from './raft-config.ts'
import { Reads } from './reads.ts'
import type { Recovered } from './recovery.ts'
import { ReplicaPost } from './replica-post.ts'
import { ReplicaSnapshots } from './replica-snapshots.ts'
import { RoleWatch } from './role-watch.ts'
import type { Shard, Turnable } from './shard.ts'
import { SleepWatch } from './sleep.ts'
import type { Sleep } from './slumber.ts'

interface ReplicaParts<V> {
  readonly spec: GroupSpec
  readonly view: V
  readonly state: GroupState
  readonly shard: Shard
  readonly recovered: Recovered
}

export class Replica<R, E, V extends View<R, E>> implements Turnable {
  readonly handle: Handle<R, E, V>
  readonly post: ReplicaPost
  readonly leadership: Leadership<R, E>
  readonly #parts: ReplicaParts<V>
  readonly #shard: Shard
  readonly #raft: RaftGroup
  readonly #proposals: Proposals<R>
  readonly #reads: Reads
  readonly #applier: Applier<R, E>
  readonly #checkpointer: Checkpointer
  readonly #persister: Persister
  readonly #snapshots: ReplicaSnapshots<R, E>
  readonly #sleep: SleepWatch
  readonly #gate: Gate
  readonly #observers: GroupObserver<E>[] = []
  /** Takes no part any more: stopped, removed or halted. */
  #stopped = false

  constructor(parts: ReplicaParts<V>) {
    const { spec, view, state, shard, recovered } = parts
    this.#parts = parts
    this.#shard = shard
    const nodeOf = (replica: ReplicaId) => this.handle.nodeOf(replica)
    const silentTicks = (replica: ReplicaId) => shard.silentTicks(nodeOf(replica))
    const snapshot = (atLeast: number) => this.#checkpointer.sendable(Math.max(atLeast, this.#applier.confIndex))
    const raft = createCore(spec, shard, recovered, { snapshot, silentTicks })
    const proposals = new Proposals<R>(shard.counts)
    const reads = new Reads({ max: shard.limits.readsMax, timeoutTicks: 2 * electionTicks(shard) }, shard.env.random())
    const observers = this.#observers
    this.#raft = raft
    this.#proposals = proposals
    this.#reads = reads
    const onConfChange = (change: ConfChange, confState: ConfState) =>
      this.handle.setMembers(membersAfter(this.handle.members, change, confState))
    this.#applier = new Applier({ raft, view, store: state, proposals, observers, onConfChange }, recovered.meta)
    const stopped = () => this.#stopped
    this.#checkpointer = createCheckpointer({ ...parts, raft, applier: this.#applier, stopped }, this)
    this.#persister = new Persister(shard.wal, spec, (ready) => this.#confirmed(ready))
    const watch = new RoleWatch()
    const mark = () => shard.mark(this)
    this.#snapshots = new ReplicaSnapshots({
      ...{ spec, view, state, shard, raft, proposals, reads, observers, stopped, mark },
      ...{ applier: this.#applier, checkpointer: this.#checkpointer, persister: this.#persister },
      collect: () => this.collect(),
    })
    this.handle = new Handle<R, E, V>({
      ...{ spec, view, state, shard, raft, proposals, reads, observers, watch, stopped, mark },
      meta: () => this.#applier.meta,
    })
    this.leadership = new Leadership({
      ...{ handle: this.handle, applier: this.#applier },
      ...{ raft, proposals, reads, observers, watch, shard, stopped, mark },
    })
    this.post = new ReplicaPost({
      ...{ raft, handle: this.handle, outbox: shard.outbox, snapshots: this.#snapshots },
      ...{ leadership: this.leadership, stopped, mark },
    })
    this.#gate = new Gate({ env: shard.env, raft, view, nodeOf, mark })
    this.#sleep = new SleepWatch({ raft, reads, nodeOf, turned: () => shard.turned(spec.group) })
    raft.rouse()
    shard.mark(this)
  }

  get group(): number {
    return this.#parts.spec.group
  }

  get leads(): boolean {
    return this.leadership.held
  }

  /** Its state is damaged and waits for a leader's snapshot. */
  get stateLost(): boolean {
    return !this.#stopped && this.#raft.needsSnapshot
  }

  sleeps(): Sleep | undefined {
    return this.#sleep.now
  }

  /** Whom it relies on in its sleep may be gone, or disagrees. */
  wake(): void {
    if (this.#stopped) return
    this.#raft.wake()
    this.#shard.mark(this)
  }

  /** Takes what the core has to say: messages to the outbox, entries to the log, committed ones to apply. */
  collect(): void {
    if (this.#stopped) return
    this.#reads.open(this.#raft)
    // A read opened just now has ended the sleep: its round must be ticked, or nobody would give it up.
    this.#sleep.watch()
    if (!this.#raft.hasReady()) return
    const ready = this.#raft.ready()
    this.post.send(ready.messages)
    if (ready.snapshot === undefined) {
      this.#persister.add(ready)
      this.#applier.add(ready.committed)
    } else {
      this.#snapshots.take(ready, ready.snapshot)
    }
    this.leadership.publish()
    this.#reads.confirmed(ready.readStates, this.#applier.meta.applied)
    if (this.#raft.hasReady()) this.#shard.mark(this)
  }

  /** Applies until nothing waits, `enough` says so, or the layers are at their bound: then a checkpoint comes first. */
  apply(enough: () => boolean): void {
    const { state, shard } = this.#parts
    if (this.#stopped || !this.#applier.waiting || this.#reads.inDoubt) return
    const full = () => state.bytes() >= shard.limits.layerBytesMax
    if (full()) {
      this.#checkpointer.request()
      return
    }
    try {
      this.#applier.run(() => enough() || full() || this.#reads.inDoubt)
    } catch (error) {
      // A read met damage: what was applied of this entry goes with the rest of the state.
      if (error instanceof SandglassError && this.heedDamage()) return
      this.#checkpointer.disable()
      if (!(error instanceof UnknownCommandError)) throw error
      this.#halt(error)
      return
    }
    this.#reads.applied(this.#applier.meta.applied)
    this.leadership.publish()
    this.#checkpointer.check(this.#applier.logBytes)
    if (this.#applier.waiting || this.#raft.hasReady()) shard.mark(this)
  }

  missTicks(ticks: number): void {
    // An heir that was told to run waits for no election timeout.
    if (this.#raft.status().transferee !== 0) this.stoodStill()
    if (!this.#stopped) this.#raft.missTicks(ticks)
  }

  /** Another may lead by now: no answer to what was asked before counts, and nothing is applied, before one has come. */
  stoodStill(): void {
    if (this.#stopped) return
    this.#reads.again()
    this.#shard.mark(this)
  }

  tick(): void {
    if (this.#stopped) return
    this.heedDamage()
    this.#raft.tick()
    this.#reads.tick()
    this.#shard.mark(this)
  }

  /**
   * Once a read has found the state damaged the replica goes on with its log alone, until a snapshot has replaced the state
   * (docs/decisions, lost state). False: all is well, that is under way, or nobody else has the state.
   */
  heedDamage(): boolean {
    const { state, shard } = this.#parts
    const { damage } = state
    if (damage === undefined || this.handle.members.length < 2 || !this.#raft.loseState()) return false
    this.#checkpointer.lose()
    this.#applier.lost()
    this.#answerAll()
    shard.event({ type: 'stateDamaged', group: this.group, reason: damage })
    shard.mark(this)
    return true
  }

  /** Whether it is to step what `node` sent. Throws INVALID, with the field, for what no honest peer sends. */
  admits(node: NodeId, message: Message): boolean {
    if (this.#stopped || message.to !== this.#parts.spec.replica) return false
    if (this.#gate.admits(node, message)) return true
    this.#shard.dropped()
    return false
  }

  step(message: Message): void {
    this.#raft.step(message)
    this.#shard.mark(this)
  }

  /** Resolves when the snapshot is installed. */
  receive(header: SnapshotHeader, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#snapshots.receive(header, chunks)
  }

  /** Of its unsaved layers. */
  memoryBytes(): number {
    return this.#parts.state.bytes()
  }

  /** Of them, what a checkpoint begun now would free. */
  relievableBytes(): number {
    return this.#checkpointer.running ? 0 : this.memoryBytes()
  }

  /** Its layers take too much room. */
  relieveMemory(): void {
    if (!this.#stopped) this.#checkpointer.request()
  }

  /** Starts to hand leadership over. False: it does not lead, or nobody can take over. */
  handOver(): boolean {
    return this.leadership.handOver()
  }

  /** A checkpoint is on its way. */
  get saving(): boolean {
    return this.#checkpointer.running
  }

  /** The log would like to be rid of what this replica keeps alive in it. False: it has nothing to save, or cannot now. */
  relieveLog(): boolean {
    return !this.#stopped && this.#checkpointer.relieve()
  }

  /**
   * Ends the replica: answers everything it owes, waits for what is on its way to the disk. With `save` after a last
   * checkpoint. Idempotent.
   */
  async stop(save: boolean): Promise<void> {
    const running = !this.#stopped
    this.#stopped = true
    this.#snapshots.cancel()
    this.#answerAll()
    if (running) this.leadership.end()
    await this.#snapshots.idle
    await this.#persister.whenIdle()
    await this.#checkpointer.idle
    if (save && running) {
      this.#checkpointer.request()
      await this.#checkpointer.idle
    }
    this.#checkpointer.disable()
  }

  #halt(error: Error): void {
    this.#stopped = true
    this.#answerAll()
    this.leadership.end()
    this.#shard.changed(this.group)
    this.#shard.event({ type: 'halted', group: this.group, error })
  }

  #answerAll(): void {
    this.#proposals.all()
    this.#reads.all()
  }

  #confirmed(ready: Ready): void {
    if (this.#stopped) return
    this.#raft.persisted(ready.token)
    // Not before: while earlier Readys wait for the log the state counts as lost, though the view has loaded the snapshot.
    if (ready.snapshot !== undefined) this.#raft.applied(ready.snapshot.index)
    this.post.send(ready.afterPersist)
    this.#shard.mark(this)
  }
}
