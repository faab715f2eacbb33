/**
 * The broker's Directory over this node's replica of the catalog: reads come from the view, changes go to the catalog's
 * leader, here or over the peer port, and are answered once this replica has applied them.
 */

import type { Env } from '../../base/env.ts'
import { SandglassError } from '../../base/errors.ts'
import type { GroupId, NodeId, ReplicaId } from '../../base/ids.ts'
import type { Directory } from '../../broker/directory.ts'
import type { GroupHandle, GroupStatus } from '../../replication/group.ts'
import type { ControlClient, ControlHandler } from '../../rpc/control-types.ts'
import type { CatalogView } from '../../views/catalog/catalog-view.ts'
import type { CatalogEffect, CatalogReply, NodeRecord } from '../../views/catalog/commands.ts'
import type { Identity } from '../formation/identity.ts'

export type CatalogHandle = GroupHandle<CatalogReply, CatalogEffect, CatalogView>

/** What the directory needs of any replica on this node; a GroupHandle is one. */
export interface LocalReplica {
  readonly group: GroupId
  readonly members: readonly { readonly replica: ReplicaId; readonly node: NodeId }[]
  status(): GroupStatus
  transferLeadership(to: ReplicaId): void
}

export interface CatalogDirectoryOptions {
  readonly env: Env
  readonly identity: Identity
  readonly catalog: CatalogHandle
  /** This node's running replicas, the catalog's included. */
  readonly replicas: () => readonly LocalReplica[]
  readonly control: ControlClient
  /** Whether this node may be given leaderships now; also told to the others. */
  readonly accepts: () => boolean
}

export interface CatalogDirectory extends Directory {
  /** For `addControlService`. */
  readonly control: ControlHandler
  /** Host:port of a node's peer port: from the catalog, else from the formation. */
  raftAddress(node: NodeId): string | undefined
  /** All of them but this node's own. */
  raftAddresses(): ReadonlyMap<NodeId, string>
  alive(node: NodeId): boolean
  /** Proposes `registerNode` until the catalog's entry of this node is this one; call it at each start. */
  register(record: Omit<NodeRecord, 'id'>): Promise<void>
  /** Starts reports to the others and the leader balancer. */
  start(): void
  close(): void
}

export function createCatalogDirectory(options: CatalogDirectoryOptions): CatalogDirectory {
  throw new SandglassError('UNSUPPORTED', `Cannot open the catalog of ${options.identity.name}: not built yet`)
}
