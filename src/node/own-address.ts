/**
 * The address that others are told for this node. What it is told to be must not contradict itself, or a cluster forms that
 * cannot talk, or never does: checked before anything is bound or written.
 */
import { lookup } from 'node:dns/promises'
import { hostname, networkInterfaces } from 'node:os'
import { isWildcard, joinHostPort, parseHostPort } from '../base/address.ts'
import type { InitialMember, NodeConfig } from './config/schema.ts'
import type { Identity } from './formation/identity.ts'
import { StartError } from './start-error.ts'

/**
 * The host to advertise. `identity`: what the data folder says so far. Rejects with StartError ADDRESS_WILDCARD, or
 * CLUSTER_MISMATCH when initial_cluster says something else of this node.
 */
export async function ownAddress(config: NodeConfig, identity: Identity | undefined): Promise<string> {
  const { initialCluster, name, advertiseAddr } = config
  const own = initialCluster.find((member) => member.name === name)
  const nodes = (identity?.members ?? initialCluster).length
  if (isWildcard(advertiseAddr)) {
    if (nodes > 1) throw wildcard(config, own)
    return own === undefined ? reachableHost() : hostOf(own)
  }
  // Once the cluster is formed the list is not looked at.
  if (own !== undefined && identity?.state !== 'formed') await checkOwnEntry(config, own)
  return advertiseAddr
}

function wildcard({ advertiseAddr }: NodeConfig, own: InitialMember | undefined): StartError {
  const message = `Cannot tell the other nodes ${advertiseAddr}: it is no address at which they could reach this one`
  const field = 'advertise_addr'
  if (own === undefined) return new StartError('ADDRESS_WILDCARD', message, { field })
  const action = `set advertise_addr to ${hostOf(own)}, as initial_cluster names this node, or both to another address`
  return new StartError('ADDRESS_WILDCARD', message, { field, action })
}

/** Others use the entry until the cluster is formed, and what this node tells them from then on. */
async function checkOwnEntry({ raftPort, advertiseAddr }: NodeConfig, own: InitialMember): Promise<void> {
  const told = joinHostPort(advertiseAddr, raftPort)
  const message = `Cannot form a cluster: initial_cluster says ${own.name}=${own.raft}, this node tells others ${told}`
  if (parseHostPort(own.raft)?.port !== raftPort) {
    const action = `make raft_port and the port of ${own.name} in initial_cluster, on every node, the same`
    throw new StartError('CLUSTER_MISMATCH', message, { field: 'raft_port', action })
  }
  if (await mayBeSame(hostOf(own), advertiseAddr)) return
  const action = `set advertise_addr to ${hostOf(own)}, and bind_addr to where that leads, or mend initial_cluster on every node`
  throw new StartError('CLUSTER_MISMATCH', message, { field: 'advertise_addr', action })
}

/** Unless both are known here and have no address in common. */
async function mayBeSame(a: string, b: string): Promise<boolean> {
  if (a === b) return true
  const [ours, theirs] = [await addressesOf(a), await addressesOf(b)]
  return ours.length === 0 || theirs.length === 0 || ours.some((address) => theirs.includes(address))
}

/** The machine's name, if it leads here; else the first address that is not only its own; else the loopback. */
async function reachableHost(): Promise<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  const here = new Set(all.map(({ address }) => address))
  const isLoopback = (address: string) => address.startsWith('127.')
  const named = await addressesOf(hostname())
  if (named.some((address) => here.has(address) || isLoopback(address))) return hostname()
  const outer = all.find(({ internal, family }) => !internal && family === 'IPv4')
  return outer?.address ?? '127.0.0.1'
}

/** Empty: it does not resolve here. */
async function addressesOf(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true }).catch(() => [])
  return found.map(({ address }) => address)
}

function hostOf(member: InitialMember): string {
  return parseHostPort(member.raft)?.host ?? member.raft
}
