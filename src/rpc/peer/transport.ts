/**
 * The sending side of the peer port: replication's Transport over gRPC. Every peer has one connection for each lane and
 * one for each snapshot. Nothing here waits: what cannot be queued is dropped and reported.
 */

import type { Env } from '../../base/env.ts'
import { SandglassError } from '../../base/errors.ts'
import type { GroupId, NodeId } from '../../base/ids.ts'
import { PEER_QUEUE_BYTES_MAX } from '../../base/limits.ts'
import type { Lane, PeerReceiver, SnapshotStream, Transport } from '../../replication/transport.ts'
import { PeerLink } from './link.ts'
import { sendSnapshotTo } from './snapshot-call.ts'

export interface PeerTransportOptions {
  readonly env: Env
  readonly clusterId: string
  readonly node: NodeId
  /** Where the peers are now, `host:port` of their peer port; read when a link opens. */
  readonly peers: () => ReadonlyMap<NodeId, string>
  /** Default 2 s. */
  readonly connectMs?: number
  /** A link was refused for good reason (another cluster, another node, another version), or failed. */
  readonly onLinkError?: (node: NodeId, message: string) => void
}

export interface PeerTransport extends Transport {
  /** The peer opened a connection to this node: links to it that wait before they try again need not. */
  heard(node: NodeId): void
  close(): void
}

const CONNECT_MS = 2000
/** Heartbeats and votes that had to wait are worth little. */
const QUEUE_BYTES_MAX: Readonly<Record<Lane, number>> = {
  control: PEER_QUEUE_BYTES_MAX / 8,
  append: PEER_QUEUE_BYTES_MAX,
}

export function createPeerTransport(options: PeerTransportOptions): PeerTransport {
  return new GrpcTransport(options)
}

class GrpcTransport implements PeerTransport {
  readonly #options: PeerTransportOptions
  readonly #links: Record<Lane, Map<NodeId, PeerLink>> = { control: new Map(), append: new Map() }
  readonly #closing = new AbortController()
  #receiver: PeerReceiver | undefined

  constructor(options: PeerTransportOptions) {
    this.#options = options
  }

  attach(receiver: PeerReceiver): void {
    this.#receiver = receiver
  }

  send(node: NodeId, lane: Lane, frame: Uint8Array): boolean {
    return this.#link(node, lane)?.send(frame) ?? false
  }

  async sendSnapshot(node: NodeId, _group: GroupId, stream: SnapshotStream): Promise<boolean> {
    const { clusterId, node: from, peers, onLinkError } = this.#options
    try {
      const address = peers().get(node)
      if (address === undefined)
        throw new SandglassError('UNREACHABLE', `Cannot send a snapshot: where ${node} is, is unknown`)
      const identity = { clusterId, from, to: node }
      await sendSnapshotTo({ address, identity, signal: this.#closing.signal }, stream)
      return true
    } catch (error) {
      onLinkError?.(node, error instanceof Error ? error.message : String(error))
      return false
    } finally {
      await stream.close()
    }
  }

  heard(node: NodeId): void {
    for (const links of Object.values(this.#links)) links.get(node)?.hurry()
  }

  close(): void {
    this.#closing.abort()
    for (const links of Object.values(this.#links)) {
      for (const link of links.values()) link.close()
      links.clear()
    }
  }

  /** The link to where the node is now; one that leads to an address it has left is closed. */
  #link(node: NodeId, lane: Lane): PeerLink | undefined {
    if (this.#closing.signal.aborted) return undefined
    const links = this.#links[lane]
    const address = this.#options.peers().get(node)
    const link = links.get(node)
    if (link !== undefined && link.address === address) return link
    link?.close()
    links.delete(node)
    if (address === undefined) return undefined
    const { env, clusterId, node: from, onLinkError } = this.#options
    const opened = new PeerLink({
      env,
      identity: { clusterId, from, to: node },
      address,
      queueBytesMax: QUEUE_BYTES_MAX[lane],
      connectMs: this.#options.connectMs ?? CONNECT_MS,
      // One lane speaks for the process.
      onGone: () => (lane === 'control' ? this.#receiver?.peerDown(node) : undefined),
      onError: (message) => onLinkError?.(node, message),
    })
    links.set(node, opened)
    return opened
  }
}
