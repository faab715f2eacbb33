/** Why a node does not start: exit code 1 and a stable reason. Not for what happens once it runs. */
export type StartReason =
  | 'DATA_LOCKED'
  | 'DATA_FOREIGN'
  | 'DATA_NEWER'
  | 'DATA_DAMAGED'
  /** `data` cannot be created or written. */
  | 'DATA_UNUSABLE'
  | 'NODE_HAS_HISTORY'
  | 'PORT_IN_USE'
  /** initial_cluster is unusable or differs from that of another node. */
  | 'CLUSTER_MISMATCH'

export class StartError extends Error {
  override readonly name = 'StartError'
  readonly reason: StartReason

  constructor(reason: StartReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.reason = reason
  }
}
