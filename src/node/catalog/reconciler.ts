/**
 * Makes this node carry what the catalog says: starts replicas placed here, removes those of deleted topics. Idempotent;
 * a replica that fails to start is tried again with backoff.
 */
import type { Env } from '../../base/env.ts'
import { SandglassError } from '../../base/errors.ts'
import type { GroupId, NodeId, ReplicaId } from '../../base/ids.ts'
import type { PartitionInfo } from '../../broker/directory.ts'
import type { GroupSpec } from '../../replication/group.ts'
import type { TopicKind } from '../../views/catalog/commands.ts'
import type { CatalogHandle } from './catalog-directory.ts'

/** What the reconciler moves: MultiRaft and the broker together, as the node composes them. */
export interface ReplicaHost {
  /** Replicas with data here, running or not (the log knows them). Without the catalog's own. */
  present(): Iterable<{ readonly group: GroupId; readonly replica: ReplicaId; readonly running: boolean }>
  /** Starts the replica and attaches it to the broker. */
  start(spec: GroupSpec, partition: PartitionInfo, kind: TopicKind): Promise<void>
  /** Detaches it from the broker and removes its data, running or not. */
  remove(group: GroupId): Promise<void>
}

export interface ReconcilerOptions {
  readonly env: Env
  readonly self: NodeId
  readonly catalog: CatalogHandle
  readonly host: ReplicaHost
  readonly onError: (group: GroupId, action: 'start' | 'remove', error: unknown) => void
}

export interface Reconciler {
  /** Resolves once everything the catalog knew at the call was tried once. */
  settled(): Promise<void>
  /** Takes up no new work and waits for what is under way. */
  close(): Promise<void>
}

/** Begins at once and follows the catalog from then on. */
export function createReconciler(options: ReconcilerOptions): Reconciler {
  throw new SandglassError('UNSUPPORTED', `Cannot reconcile node ${options.self}: not built yet`)
}
