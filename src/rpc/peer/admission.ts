/**
 * Who may speak on the peer port: every call of Raft and Control passes here, and nowhere else is it decided who calls. What
 * a caller says of itself must be of this cluster, meant for this node, and the name of another node of the cluster. Nothing
 * proves that name yet: what the connection proves (a certificate) is to be held against it here. A refusal tells nothing
 * that a stranger does not know.
 */
import { type Metadata, status } from '@grpc/grpc-js'
import type { NodeId } from '../../base/ids.ts'
import { isViolation } from '../../base/violation.ts'
import { checkHandshake } from './wire.ts'

export interface Admission {
  /** Read at every call: the port opens before the cluster is formed. undefined: everybody is refused. */
  readonly clusterId: () => string | undefined
  readonly node: () => NodeId | undefined
  /** Whether there is another node of this id. */
  readonly knows: (node: NodeId) => boolean
  /** What no honest node says came in the name of `node`: what it was, for the log. */
  readonly onViolation?: (node: NodeId, field: string, message: string) => void
}

export interface Refusal {
  readonly code: status
  readonly details: string
}

interface Call {
  readonly metadata: Metadata
}

export function admit({ metadata }: Call, { clusterId, node, knows }: Admission): { readonly from: NodeId } | Refusal {
  const own = { clusterId: clusterId(), node: node() }
  if (own.clusterId === undefined || own.node === undefined) {
    return { code: status.UNAVAILABLE, details: 'Cannot take the call: this node has no cluster yet' }
  }
  const checked = checkHandshake(metadata, { clusterId: own.clusterId, node: own.node })
  if ('refused' in checked) return refusal(checked.refused)
  return knows(checked.from) ? checked : refusal('no node of this cluster has its id')
}

/** Tells the log if it is a violation. */
export function note(error: unknown, from: NodeId, { onViolation }: Admission): void {
  if (isViolation(error)) onViolation?.(from, error.field, error.message)
}

function refusal(why: string): Refusal {
  return { code: status.FAILED_PRECONDITION, details: `Cannot take the call: ${why}` }
}
