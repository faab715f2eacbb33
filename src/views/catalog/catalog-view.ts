/**
 * The catalog: nodes, topics, and which node carries which partition. All of it is in memory; rows are written at flush.
 * Invariant: a group or replica id below `nextId` that is not found here belonged to something that was deleted.
 */

import type { GroupId, NodeId } from '../../base/ids.ts'
import type { View } from '../view.ts'
import { UnknownCommandError } from '../view.ts'
import type { CatalogEffect, CatalogReply, NodeRecord, PartitionRecord, TopicRecord } from './commands.ts'

export interface CatalogView extends View<CatalogReply, CatalogEffect> {
  topic(name: string): TopicRecord | undefined
  /** By name. */
  topics(): readonly TopicRecord[]
  node(id: NodeId): NodeRecord | undefined
  /** By id. */
  nodes(): readonly NodeRecord[]
  partitionOfGroup(group: GroupId): PartitionRecord | undefined
  /** The next id that will be handed out. */
  readonly nextId: number
  /** Grows with every change; a listener compares it. */
  readonly revision: number
}

/** An empty catalog. */
export function createCatalogView(): CatalogView {
  throw new UnknownCommandError('not built yet')
}
