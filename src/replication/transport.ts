/**
 * How replicas of different nodes reach each other; rpc/ implements it over gRPC, a simulation over a simulated network.
 * Frames are encoded by replication/ (docs/formats.md, "Peer frames"); a transport only moves bytes, may lose, delay and
 * reorder frames between lanes, and never blocks: what cannot be queued is dropped and reported.
 */
import type { GroupId, NodeId } from '../base/ids.ts'

/** Own connections, so that a heartbeat never waits behind a large append. */
export type Lane = 'control' | 'append'

export interface SnapshotStream {
  /** Encoded installSnapshot message and the view's time; the receiver steps it once all chunks are staged. */
  readonly header: Uint8Array
  next(): Promise<Uint8Array | undefined>
  close(): Promise<void>
}

export interface Transport {
  /** Queues one frame. false: dropped, the caller reports the replicas there unreachable. */
  send(node: NodeId, lane: Lane, frame: Uint8Array): boolean
  /** Streams a snapshot; resolves true when the receiver has staged and taken it, false on any failure. */
  sendSnapshot(node: NodeId, group: GroupId, stream: SnapshotStream): Promise<boolean>
  /** Called once, before the first frame is handed over. */
  attach(receiver: PeerReceiver): void
}

export interface PeerReceiver {
  /**
   * Throws INVALID, with the field, for a frame that no honest peer sends: its connection is to be closed. A promise: it is taken
   * in a later turn of the event loop, in its order, and nothing more of that connection should be read before; rejects alike.
   */
  frame(from: NodeId, frame: Uint8Array): Promise<void> | undefined
  /** Stages chunks as they come; resolves when the snapshot is taken, rejects when it is refused or damaged. */
  snapshot(from: NodeId, header: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void>
  /** The connection was reset and refused again: the process there is gone. */
  peerDown(node: NodeId): void
}
