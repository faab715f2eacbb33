/** The receiving side of the service `sandglass.v1.Control` on the peer port. */
import type { Server } from '@grpc/grpc-js'
import type { NodeId } from '../base/ids.ts'
import type { ControlHandler } from './control-types.ts'

export interface ControlServiceOptions {
  /** Read on every call: the port opens before the cluster is formed. undefined: everybody is refused. */
  readonly clusterId: () => string | undefined
  readonly node: () => NodeId | undefined
  readonly handler: () => ControlHandler | undefined
}

/** Adds the service to the server of the peer port. */
export function addControlService(_server: Server, _options: ControlServiceOptions): void {
  return
}
