/** Where peers are reached: the catalog's or the formation's address, unless `raft_via` names another way for the peer. */
import type { NodeId } from '../base/ids.ts'
import type { FormationTransport } from '../rpc/formation/types.ts'
import type { NodeConfig } from './config/schema.ts'
import type { Identity } from './formation/identity.ts'

/**
 * host:port by peer, this node left out. `known` is what the catalog says and wins over the formation's list; the answer is
 * the same map as long as that is.
 */
export function peerAddresses(
  config: Pick<NodeConfig, 'raftVia'>,
  identity: Identity,
  known: () => ReadonlyMap<NodeId, string>,
): () => ReadonlyMap<NodeId, string> {
  let last: { readonly known: ReadonlyMap<NodeId, string>; readonly all: ReadonlyMap<NodeId, string> } | undefined
  return () => {
    const now = known()
    if (last?.known !== now) last = { known: now, all: routesTo(config, identity, now) }
    return last.all
  }
}

function routesTo(
  config: Pick<NodeConfig, 'raftVia'>,
  identity: Identity,
  known: ReadonlyMap<NodeId, string>,
): ReadonlyMap<NodeId, string> {
  const via = new Map(config.raftVia.map((member) => [member.name, member.raft]))
  const all = new Map(known)
  for (const { id, name, raft } of identity.members) all.set(id, via.get(name) ?? known.get(id) ?? raft)
  all.delete(identity.nodeId)
  return all
}

/** The formation's list holds the addresses all nodes agree on; the way there may differ. */
export function formationVia(config: NodeConfig, transport: FormationTransport): FormationTransport {
  const via = new Map(config.raftVia.map((member) => [member.name, member.raft]))
  const routes = new Map(config.initialCluster.map((member) => [member.raft, via.get(member.name) ?? member.raft]))
  return {
    exchange: (address, hello, timeoutMs) => transport.exchange(routes.get(address) ?? address, hello, timeoutMs),
    close: () => transport.close(),
  }
}
