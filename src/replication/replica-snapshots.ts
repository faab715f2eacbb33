/**
 * A replica's snapshots, sent and taken. A snapshot taken replaces the applied state: from the moment the core hands it out
 * until the view has loaded it nothing else is applied, and no checkpoint of the old state begins.
 */
import type { NodeId, ReplicaId } from '../base/ids.ts'
import type { SnapshotMeta } from '../base/log-entry.ts'
import type { RaftGroup } from '../raft/raft.ts'
import type { Message, Ready } from '../raft/types.ts'
import type { CheckpointMeta, GroupState } from '../storage/state/types.ts'
import type { View } from '../views/view.ts'
import type { Applier } from './applier.ts'
import type { Checkpointer } from './checkpoints/checkpointer.ts'
import type { SnapshotHeader } from './frame/frame.ts'
import type { GroupObserver, GroupSpec } from './group.ts'
import { Installer } from './installer.ts'
import type { Persister } from './persister.ts'
import type { Proposals } from './proposals.ts'
import type { Reads } from './reads.ts'
import type { Shard } from './shard.ts'

interface SnapshotParts<R, E> {
  readonly spec: GroupSpec
  readonly view: View<R, E>
  readonly state: GroupState
  readonly shard: Shard
  readonly raft: RaftGroup
  readonly applier: Applier<R, E>
  readonly checkpointer: Checkpointer
  readonly persister: Persister
  readonly proposals: Proposals<R>
  readonly reads: Reads
  readonly observers: readonly GroupObserver<E>[]
  readonly stopped: () => boolean
  readonly mark: () => void
  /** Takes what the core has to say after a message. */
  readonly collect: () => void
}

export class ReplicaSnapshots<R, E> {
  readonly #parts: SnapshotParts<R, E>
  readonly #installer: Installer

  constructor(parts: SnapshotParts<R, E>) {
    const { spec, view, state, shard, checkpointer, persister } = parts
    this.#parts = parts
    this.#installer = new Installer({
      ...{ group: spec.group, state, view, shard },
      step: (header) => this.#step(header),
      quiet: () => checkpointer.idle,
      mark: (durable) => persister.resume(durable),
      installed: (meta) => this.#installed(meta),
    })
  }

  /** Settles once no install is between flip and end. */
  get idle(): Promise<void> {
    return this.#installer.idle
  }

  /** One still being received is refused; one already flipped runs to its end. */
  cancel(): void {
    this.#installer.cancel()
  }

  /** Resolves when the snapshot is installed; rejects as `Installer.receive` does. */
  receive(header: SnapshotHeader, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#installer.receive(header, chunks)
  }

  /** Sends the last checkpoint to `node`; the core hears how it ended. */
  send(node: NodeId, message: Message): void {
    const { spec, state, shard, raft, checkpointer, stopped, mark } = this.#parts
    shard.snapshots.send(node, {
      ...{ group: spec.group, state, message },
      // Behind others it may have waited longer than the leadership that asked for it, or than the follower's need.
      wanted: () => !stopped() && raft.term === message.term && awaitsSnapshot(raft, message.to),
      begun: () => checkpointer.sending(message.to, node),
      failed: () => {
        if (!stopped()) checkpointer.sendingFailed(message.to)
      },
      sent: (ok) => {
        raft.reportSnapshot(message.to, ok)
        mark()
      },
    })
  }

  /** The core handed `snapshot` out in `ready`. */
  take(ready: Ready, snapshot: SnapshotMeta): void {
    const { checkpointer, applier, persister, proposals } = this.#parts
    checkpointer.disable()
    // Nothing more is applied to the old state; the core hands nothing out before the snapshot is confirmed.
    applier.drop()
    persister.hold(ready)
    this.#installer.take(snapshot)
    proposals.passed(snapshot.index)
  }

  #step({ message }: SnapshotHeader): void {
    const { raft, stopped, collect, mark } = this.#parts
    if (stopped()) return
    raft.step(message)
    collect()
    mark()
  }

  /** The view has loaded the snapshot: what waited for it goes on. */
  #installed(meta: CheckpointMeta): void {
    const { applier, checkpointer, persister, reads, observers, mark } = this.#parts
    applier.replaced(meta)
    checkpointer.enable(meta)
    persister.loaded()
    for (const observer of observers) observer.reloaded()
    reads.applied(meta.applied)
    mark()
  }
}

function awaitsSnapshot(raft: RaftGroup, to: ReplicaId): boolean {
  return raft.progress().some((peer) => peer.id === to && peer.awaitsSnapshot)
}
