/**
 * The peer port: one gRPC server for formation, Raft and control. It opens before anything else does, so each of them
 * refuses until the parts behind it are set.
 */
import type { Env } from '../base/env.ts'
import type { NodeId } from '../base/ids.ts'
import type { PeerReceiver } from '../replication/transport.ts'
import { addControlService } from '../rpc/control/service.ts'
import type { ControlHandler } from '../rpc/control/types.ts'
import { addFormationService } from '../rpc/formation/service.ts'
import type { FormationHandler } from '../rpc/formation/types.ts'
import type { Admission } from '../rpc/peer/admission.ts'
import { createPeerServer } from '../rpc/peer/port.ts'
import { addRaftService } from '../rpc/peer/raft-service.ts'
import type { Identity } from './formation/identity.ts'
import type { RareLines } from './observe/rare-lines.ts'

interface PeerParts {
  readonly identity: Identity
  readonly receiver: PeerReceiver
  readonly control: ControlHandler
  readonly lines: RareLines
  /** Whether there is another node of this id. */
  knows(node: NodeId): boolean
  /** A peer connected to this node. */
  onPeer(node: NodeId): void
}

export interface PeerPort {
  readonly port: number
  /** From now on questions about the formation are answered. */
  form(formation: FormationHandler): void
  /** From now on Raft messages are taken. Called once `formed` is durable. */
  serve(parts: PeerParts): void
  close(): void
}

/** Rejects with the bind error. */
export async function openPeerPort(address: string, env: Env): Promise<PeerPort> {
  let formation: FormationHandler | undefined
  let parts: PeerParts | undefined
  const server = createPeerServer(env)
  const admission: Admission = {
    connections: server.connections,
    clusterId: () => parts?.identity.clusterId,
    node: () => parts?.identity.nodeId,
    knows: (node) => parts?.knows(node) ?? false,
    onViolation: (node, field, message) => parts?.lines.warn('peer_violation', node, { field, message }),
  }
  addFormationService(server.services, server.connections, () => formation)
  addRaftService(server.services, {
    ...admission,
    receiver: () => parts?.receiver,
    onPeer: (peer) => parts?.onPeer(peer),
  })
  addControlService(server.services, { ...admission, handler: () => parts?.control })
  const port = await server.listen(address)
  return {
    port,
    form: (given) => {
      formation = given
    },
    serve: (given) => {
      parts = given
    },
    close: () => server.close(),
  }
}
