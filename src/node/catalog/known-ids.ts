/**
 * What this node knows of the ids of groups and replicas, from a read of the catalog through its leader: as new as the catalog
 * was after the node had opened its log, so that whatever an earlier process of the node was given is among them.
 */
import { CATALOG_GROUP, type NodeId } from '../../base/ids.ts'
import type { KnownIds } from '../../storage/wal/losses.ts'
import type { CatalogView } from '../../views/catalog/catalog-view.ts'

/** A CatalogHandle is one. */
interface Catalog {
  readonly view: CatalogView
  status(): { readonly applied: number }
}

/** `readPoint` resolves with an index that the catalog had committed after the call, once it is applied here. */
export async function readKnownIds(
  catalog: Catalog,
  self: NodeId,
  readPoint: () => Promise<number>,
): Promise<KnownIds> {
  const { view } = catalog
  for (;;) {
    const index = await readPoint()
    // A snapshot may have set this replica back: what it shows then is older than what was read.
    const isBehind = () => catalog.status().applied < index
    if (isBehind()) continue
    return {
      nextId: view.nextId,
      isAsked: (group, replica) => {
        if (group === CATALOG_GROUP || group >= view.nextId || isBehind()) return true
        const own = view.partitionOfGroup(group)?.replicas.find(({ node }) => node === self)
        return own !== undefined && own.replica <= replica
      },
    }
  }
}
