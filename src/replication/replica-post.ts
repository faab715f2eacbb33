/** What a replica sends to the others of its group, and what it hears of those whom nothing reaches. */
import type { GroupId, NodeId, ReplicaId } from '../base/ids.ts'
import type { RaftGroup } from '../raft/raft.ts'
import type { Message } from '../raft/types.ts'
import type { Member } from './group.ts'
import type { Outbox, Sender } from './outbox.ts'

interface PostParts {
  readonly raft: RaftGroup
  readonly handle: { readonly group: GroupId; readonly members: readonly Member[]; nodeOf(replica: ReplicaId): NodeId }
  readonly outbox: Pick<Outbox, 'add'>
  /** Streams, beside the frames. */
  readonly snapshots: { send(node: NodeId, message: Message): void }
  readonly leadership: { peerDown(node: NodeId): void }
  readonly stopped: () => boolean
  /** The core has something new to say. */
  readonly mark: () => void
}

export class ReplicaPost implements Sender {
  readonly #parts: PostParts

  constructor(parts: PostParts) {
    this.#parts = parts
  }

  get group(): GroupId {
    return this.#parts.handle.group
  }

  send(messages: readonly Message[]): void {
    const { handle, outbox, snapshots } = this.#parts
    for (const message of messages) {
      const node = handle.nodeOf(message.to)
      if (message.type === 'installSnapshot') snapshots.send(node, message)
      else if (node !== 0) outbox.add(node, this, message)
    }
  }

  /** Messages to `to` were dropped. */
  unreachable(to: ReplicaId): void {
    const { raft, stopped, mark } = this.#parts
    if (stopped()) return
    raft.reportUnreachable(to)
    mark()
  }

  /** The process at `node` is gone. */
  peerDown(node: NodeId): void {
    const { raft, handle, leadership } = this.#parts
    // A sleeper has nothing on its way to anybody; whoever comes back calls.
    const members = raft.quiesced ? [] : handle.members
    for (const { replica, node: at } of members) if (at === node) this.unreachable(replica)
    leadership.peerDown(node)
  }
}
