/**
 * Who may speak on the peer port: every call of Raft and Control passes here, and nowhere else is it decided who calls. What
 * a caller says of itself must be of this cluster, meant for this node, and the name of another node of the cluster. Nothing
 * proves that name yet: what the connection proves (a certificate) is to be held against it here. A refusal tells nothing
 * that a stranger does not know.
 */
import { type Metadata, status } from '@grpc/grpc-js'
import type { NodeId } from '../../base/ids.ts'
import { isViolation } from '../../base/violation.ts'
import type { PeerConnections } from './connections.ts'
import { checkHandshake } from './wire.ts'

export interface Admission {
  /** Read at every call: the port opens before the cluster is formed. undefined: everybody is refused. */
  readonly clusterId: () => string | undefined
  readonly node: () => NodeId | undefined
  /** Whether there is another node of this id. */
  readonly knows: (node: NodeId) => boolean
  /** What no honest node says came in the name of `node`: what it was, for the log. */
  readonly onViolation?: (node: NodeId, field: string, message: string) => void
  /** Where the calls come from. */
  readonly connections: PeerConnections
}

export interface Admitted {
  readonly from: NodeId
  /** The other end of its connection. */
  readonly peer: string
}

export interface Refusal {
  readonly code: status
  readonly details: string
}

export interface PeerCall {
  readonly metadata: Metadata
  getPeer(): string
}

export function admit(call: PeerCall, { clusterId, node, knows, connections }: Admission): Admitted | Refusal {
  const own = { clusterId: clusterId(), node: node() }
  if (own.clusterId === undefined || own.node === undefined) {
    return { code: status.UNAVAILABLE, details: 'Cannot take the call: this node has no cluster yet' }
  }
  const peer = call.getPeer()
  if (connections.isDropped(peer)) return refusal('what came over its connection was a violation')
  const checked = checkHandshake(call.metadata, { clusterId: own.clusterId, node: own.node })
  if ('refused' in checked) return refusal(checked.refused)
  if (!knows(checked.from)) return refusal('no node of this cluster has its id')
  connections.admitted(peer, checked.from)
  return { from: checked.from, peer }
}

/** If it is a violation the log is told, and the connection ends. */
export function note(error: unknown, { from, peer }: Admitted, { onViolation, connections }: Admission): void {
  if (!isViolation(error)) return
  onViolation?.(from, error.field, error.message)
  connections.drop(peer)
}

function refusal(why: string): Refusal {
  return { code: status.FAILED_PRECONDITION, details: `Cannot take the call: ${why}` }
}
