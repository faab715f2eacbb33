/** The receiving side of the peer port: the service `sandglass.v1.Raft`. */
import type { Server } from '@grpc/grpc-js'
import type { NodeId } from '../base/ids.ts'
import type { PeerReceiver } from '../replication/transport.ts'

export interface RaftServiceOptions {
  /** Read on every handshake: a node may learn its cluster after its port opened. undefined: refuse everybody. */
  readonly clusterId: () => string | undefined
  readonly node: () => NodeId | undefined
  readonly receiver: () => PeerReceiver | undefined
}

/** Adds the service to the server of the peer port; frames of accepted peers go to the receiver. */
export function addRaftService(_server: Server, _options: RaftServiceOptions): void {
  return
}
