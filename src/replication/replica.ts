/**
 * One replica: joins the core, the log, the view and the network. Its core never waits: a Ready's messages leave at once,
 * what depends on the disk leaves after the disk, and committed entries are applied in slices.
 */
import type { NodeId, ReplicaId } from '../base/ids.ts'
import type { SnapshotMeta } from '../base/log-entry.ts'
import { RaftGroup } from '../raft/raft.ts'
import type { Message, Ready } from '../raft/types.ts'
import type { CheckpointMeta, GroupState, SnapshotSink } from '../storage/state/types.ts'
import { UnknownCommandError, type View } from '../views/view.ts'
import { Applier } from './applier.ts'
import { Checkpointer } from './checkpointer.ts'
import type { SnapshotHeader } from './frame.ts'
import type { GroupObserver, GroupSpec, Member } from './group.ts'
import { Handle } from './handle.ts'
import { Installer } from './installer.ts'
import { LogView } from './log-view.ts'
import { Persister } from './persister.ts'
import { Proposals } from './proposals.ts'
import { electionTicks, raftConfig } from './raft-config.ts'
import { Reads } from './reads.ts'
import { type Recovered, recover } from './recovery.ts'
import { publicRole, RoleWatch } from './role-watch.ts'
import type { Shard, Turnable } from './shard.ts'

/** After a peer is gone its followers campaign within this, each at its own moment. */
const PEER_DOWN_JITTER_MS = 50

/** Loads checkpoint and view and opens the core; rejects when log and checkpoint do not fit together. */
export async function openReplica<R, E, V extends View<R, E>>(
  spec: GroupSpec,
  createView: () => V,
  shard: Shard,
): Promise<Replica<R, E, V>> {
  const state = await shard.state.group(spec.group)
  const recovered = await recover(spec, shard.wal, state.meta)
  const view = createView()
  await view.load(state)
  return new Replica<R, E, V>({ spec, view, state, shard, recovered })
}

interface ReplicaParts<V> {
  readonly spec: GroupSpec
  readonly view: V
  readonly state: GroupState
  readonly shard: Shard
  readonly recovered: Recovered
}

export class Replica<R, E, V extends View<R, E>> implements Turnable {
  readonly handle: Handle<R, E, V>
  readonly #parts: ReplicaParts<V>
  readonly #shard: Shard
  readonly #raft: RaftGroup
  readonly #proposals: Proposals<R>
  readonly #reads: Reads
  readonly #applier: Applier<R, E>
  readonly #checkpointer: Checkpointer
  readonly #persister: Persister
  readonly #installer: Installer
  readonly #watch = new RoleWatch()
  readonly #observers: GroupObserver<E>[] = []
  #applyPaused = false
  /** Takes no part any more: stopped, removed or halted. */
  #stopped = false

  constructor(parts: ReplicaParts<V>) {
    const { spec, view, state, shard, recovered } = parts
    const { meta } = recovered
    this.#parts = parts
    this.#shard = shard
    const log = new LogView(shard.wal, spec.group, { index: meta.applied, term: meta.term }, () => this.#sendable())
    const raft = new RaftGroup(raftConfig(spec, shard, recovered, log))
    const proposals = new Proposals<R>(shard.counts)
    const reads = new Reads({ max: shard.limits.readsMax, timeoutTicks: 2 * electionTicks(shard) }, shard.env.random())
    const observers = this.#observers
    this.#raft = raft
    this.#proposals = proposals
    this.#reads = reads
    this.#applier = new Applier({ raft, view, store: state, proposals, observers }, meta)
    this.#checkpointer = this.#createCheckpointer()
    this.#persister = new Persister(shard.wal, spec, (ready) => this.#confirmed(ready))
    this.#installer = new Installer({
      group: spec.group,
      state,
      slots: shard.slots,
      step: (header) => this.#stepSnapshot(header),
      install: (sink, installed) => this.#install(sink, installed),
    })
    this.handle = new Handle<R, E, V>({
      ...{ spec, view, state, shard, raft, proposals, reads, observers },
      watch: this.#watch,
      meta: () => this.#applier.meta,
      stopped: () => this.#stopped,
      mark: () => shard.mark(this),
    })
    shard.mark(this)
  }

  get group(): number {
    return this.#parts.spec.group
  }

  get leads(): boolean {
    return !this.#stopped && this.#watch.seen.role === 'leader'
  }

  /** Takes what the core has to say: messages to the outbox, entries to the log, committed ones to apply. */
  collect(): void {
    if (this.#stopped) return
    this.#reads.open(this.#raft)
    if (!this.#raft.hasReady()) return
    const ready = this.#raft.ready()
    this.#send(ready.messages)
    if (ready.snapshot === undefined) {
      this.#persister.add(ready)
      this.#applier.add(ready.committed)
    } else {
      this.#takeSnapshot(ready, ready.snapshot)
    }
    this.#publish()
    this.#reads.confirmed(ready.readStates, this.#applier.meta.applied)
    if (this.#raft.hasReady()) this.#shard.mark(this)
  }

  /** Applies until nothing waits, `enough` says so, or the layers are at their bound: then a checkpoint comes first. */
  apply(enough: () => boolean): void {
    const { state, shard } = this.#parts
    if (this.#stopped || this.#applyPaused || !this.#applier.waiting) return
    const full = () => state.bytes() >= shard.limits.layerBytesMax
    if (full()) {
      this.#checkpointer.request()
      return
    }
    try {
      this.#applier.run(() => enough() || full())
    } catch (error) {
      this.#checkpointer.disable()
      if (!(error instanceof UnknownCommandError)) throw error
      this.#halt(error)
      return
    }
    this.#reads.applied(this.#applier.meta.applied)
    this.#publish()
    this.#checkpointer.check(this.#applier.logBytes)
    if (this.#applier.waiting || this.#raft.hasReady()) shard.mark(this)
  }

  tick(): void {
    if (this.#stopped) return
    this.#raft.tick()
    this.#reads.tick()
    this.#shard.mark(this)
  }

  step(message: Message): void {
    if (this.#stopped || message.to !== this.#parts.spec.replica) return
    this.#raft.step(message)
    this.#shard.mark(this)
  }

  /** Resolves when the snapshot is installed. */
  receive(header: SnapshotHeader, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#installer.receive(header, chunks)
  }

  /** Messages to `to` were dropped. */
  unreachable(to: ReplicaId): void {
    if (this.#stopped) return
    this.#raft.reportUnreachable(to)
    this.#shard.mark(this)
  }

  /** The process at `node` is gone: if it led, the group looks for another leader without waiting for the timeout. */
  peerDown(node: NodeId): void {
    if (this.#stopped) return
    for (const { replica, node: at } of this.handle.members) if (at === node) this.unreachable(replica)
    const { leader } = this.#raft.status()
    if (leader === 0 || this.handle.nodeOf(leader) !== node) return
    this.#raft.leaderUnreachable(leader)
    const { env } = this.#shard
    env.after(env.random() * PEER_DOWN_JITTER_MS, () => {
      if (this.#stopped || this.#raft.status().leader !== 0) return
      this.#raft.campaign()
      this.#shard.mark(this)
    })
  }

  setMembers(members: readonly Member[]): void {
    this.handle.setMembers(members)
  }

  /** Hands leadership to the follower that is furthest and alive. False: it does not lead, or nobody can take over. */
  handOver(): boolean {
    if (!this.leads) return false
    const { replica } = this.#parts.spec
    const { confState, transferee } = this.#raft.status()
    if (transferee !== 0) return true
    let best: { readonly id: number; readonly match: number } | undefined
    for (const { id, match, recentActive } of this.#raft.progress()) {
      if (id === replica || !recentActive || !confState.voters.includes(id)) continue
      if (best === undefined || match > best.match) best = { id, match }
    }
    if (best === undefined) return false
    this.handle.transferLeadership(best.id)
    return true
  }

  /** The log would like to be rid of what this replica keeps alive in it. */
  relieveLog(): void {
    if (this.#stopped) return
    this.#checkpointer.request()
    this.#checkpointer.release()
  }

  /**
   * Ends the replica: answers everything it owes, waits for what is on its way to the disk. With `save` after a last
   * checkpoint. Idempotent.
   */
  async stop(save: boolean): Promise<void> {
    const running = !this.#stopped
    this.#stopped = true
    this.#installer.cancel()
    this.#answerAll()
    await this.#installer.idle
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
    this.#shard.event({ type: 'halted', group: this.group, error })
  }

  #answerAll(): void {
    this.#proposals.all()
    this.#reads.all()
  }

  #send(messages: readonly Message[]): void {
    for (const message of messages) {
      const node = this.handle.nodeOf(message.to)
      if (message.type === 'installSnapshot') this.#sendSnapshot(node, message)
      else if (node !== 0) this.#shard.outbox.add(node, this, message)
    }
  }

  #sendSnapshot(node: NodeId, message: Message): void {
    this.#shard.snapshots.send(node, {
      group: this.group,
      state: this.#parts.state,
      message,
      wanted: () => !this.#stopped,
      sent: (ok) => {
        this.#raft.reportSnapshot(message.to, ok)
        this.#shard.mark(this)
      },
    })
  }

  #confirmed(ready: Ready): void {
    if (this.#stopped) return
    this.#raft.persisted(ready.token)
    this.#send(ready.afterPersist)
    this.#shard.mark(this)
  }

  /** What changed about who leads is told, and what depended on the old leader is answered. */
  #publish(): void {
    const change = this.#watch.look(this.#raft.status(), this.#applier.meta.term)
    if (change === undefined) return
    const { before, now } = change
    const { term, leader, role } = now
    const changedHands = before.term !== term || before.leader !== leader
    if (before.role === 'leader' && changedHands) this.#proposals.steppedDown(before.term, this.#applier.certain)
    if (changedHands) this.#reads.leaderChanged()
    const status = this.handle.status()
    for (const observer of this.#observers) observer.status(status)
    if (before.role !== role || changedHands) {
      this.#shard.event({ type: 'role', group: this.group, role: publicRole(role), term, leader })
    }
  }

  /** The last checkpoint, if it can bring a follower into today's configuration; else one is made. */
  #sendable(): SnapshotMeta | undefined {
    const { last } = this.#checkpointer
    if (last !== undefined && last.index >= this.#applier.confIndex) return last
    this.#checkpointer.request()
    return undefined
  }

  #stepSnapshot({ message }: SnapshotHeader): void {
    if (this.#stopped) return
    this.#raft.step(message)
    this.collect()
    this.#shard.mark(this)
  }

  #takeSnapshot(ready: Ready, snapshot: SnapshotMeta): void {
    this.#applyPaused = true
    this.#checkpointer.disable()
    this.#applier.drop()
    this.#persister.hold(ready)
    this.#installer.take(snapshot)
    this.#proposals.passed(snapshot.index)
  }

  /** Never rejects but through `fatal`: the core has accepted the snapshot and cannot go back. */
  async #install(sink: SnapshotSink, meta: CheckpointMeta): Promise<void> {
    const { view, state } = this.#parts
    const { env } = this.#shard
    const startedMs = env.monoMs()
    try {
      await this.#checkpointer.idle
      await this.#shard.slots.run(() => sink.commit(meta))
      await new Promise<void>((resolve) => this.#persister.resume(resolve))
      await view.load(state)
    } catch (error) {
      this.#shard.fatal(error)
      throw error
    }
    this.#applier.replaced(meta)
    this.#checkpointer.enable(meta)
    this.#persister.loaded()
    if (!this.#stopped) this.#raft.applied(meta.applied)
    this.#applyPaused = false
    for (const observer of this.#observers) observer.reloaded()
    this.#reads.applied(meta.applied)
    this.#shard.mark(this)
    const { group } = this
    this.#shard.event({ type: 'snapshotInstalled', group, index: meta.applied, ms: env.monoMs() - startedMs })
  }

  #createCheckpointer(): Checkpointer {
    const { spec, view, state, shard } = this.#parts
    return new Checkpointer(
      {
        ...{ group: spec.group, env: shard.env, wal: shard.wal, state, view },
        ...{ slots: shard.slots, limits: shard.limits },
        meta: () => this.#applier.meta,
        progress: () => (this.#stopped ? [] : this.#raft.progress()),
        frozen: () => this.#applier.checkpointed(),
        ended: () => shard.mark(this),
        onEvent: (event) => shard.event(event),
      },
      spec.replica,
    )
  }
}
