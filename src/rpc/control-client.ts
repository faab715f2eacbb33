/** The sending side of the service `sandglass.v1.Control`: one channel for each peer, opened when first needed. */
import { SandglassError } from '../base/errors.ts'
import type { NodeId } from '../base/ids.ts'
import type { ControlClient } from './control-types.ts'

export interface ControlClientOptions {
  readonly clusterId: string
  readonly node: NodeId
  /** host:port of a peer's peer port now; undefined: not known. */
  readonly address: (node: NodeId) => string | undefined
}

export interface GrpcControlClient extends ControlClient {
  close(): void
}

export function createControlClient(options: ControlClientOptions): GrpcControlClient {
  throw new SandglassError('UNSUPPORTED', `Cannot reach the peers of node ${options.node}: not built yet`)
}
