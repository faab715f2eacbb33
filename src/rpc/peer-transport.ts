/** The sending side of the peer port: replication's Transport over gRPC. */

import type { Env } from '../base/env.ts'
import { SandglassError } from '../base/errors.ts'
import type { NodeId } from '../base/ids.ts'
import type { Transport } from '../replication/transport.ts'

export interface PeerTransportOptions {
  readonly env: Env
  readonly clusterId: string
  readonly node: NodeId
  /** Where the peers are now, `host:port` of their peer port; read when a link opens. */
  readonly peers: () => ReadonlyMap<NodeId, string>
  /** A link was refused for good reason (another cluster, another node, another version), or failed. */
  readonly onLinkError?: (node: NodeId, message: string) => void
}

export interface PeerTransport extends Transport {
  close(): void
}

export function createPeerTransport(options: PeerTransportOptions): PeerTransport {
  throw new SandglassError('UNSUPPORTED', `Cannot reach the peers of node ${options.node}: not built yet`)
}
