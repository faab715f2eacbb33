/** This node's replica of the catalog. */
import type { GroupHandle } from '../../replication/group.ts'
import type { CatalogView } from '../../views/catalog/catalog-view.ts'
import type { CatalogEffect, CatalogReply } from '../../views/catalog/commands.ts'

export type CatalogHandle = GroupHandle<CatalogReply, CatalogEffect, CatalogView>
