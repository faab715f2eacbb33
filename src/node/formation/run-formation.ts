/** Drives the formation of a cluster: keeps asking every other node until `formed` is durable here. */
import type { Env } from '../../base/env.ts'
import type { FormationHandler, FormationMember, FormationTransport } from '../../rpc/formation-types.ts'
import { StartError } from '../start-error.ts'
import type { Identity, IdentityStore } from './identity.ts'

export interface FormationOptions {
  readonly env: Env
  readonly store: IdentityStore
  readonly transport: FormationTransport
  readonly name: string
  /** initial_cluster in its order; for a node alone: itself. Not looked at when the folder is formed. */
  readonly members: readonly FormationMember[]
  /** Called when the nodes that are waited for change, and every 5 s. */
  readonly onWaiting?: (silent: readonly string[]) => void
}

export interface Formation extends FormationHandler {
  /** What the folder holds now. */
  readonly identity: Identity | undefined
  /** Resolves when `formed` is durable (at once in a formed folder). Rejects with StartError: the node must exit. */
  formed(): Promise<Identity>
  /** Stops asking; `formed()` that has not resolved never will. Answers go on. */
  close(): void
}

/**
 * Reads the folder's identity and begins. Rejects with StartError: DATA_FOREIGN, DATA_NEWER, DATA_DAMAGED, CLUSTER_MISMATCH.
 * Add the result to the peer port with `addFormationService` at once, then await `formed()` before any Raft message.
 */
export function runFormation(options: FormationOptions): Promise<Formation> {
  return Promise.reject(new StartError('DATA_DAMAGED', `Cannot form with ${options.name}: not built yet`))
}
