/**
 * The three ports of a node. They are bound before anything is written or said, so that what is wrong with them is told
 * while nothing has happened yet; what a port is asked before the part behind it stands is refused with what is waited for.
 */
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { createServer, isIP } from 'node:net'
import { joinHostPort } from '../base/address.ts'
import { createApiServer } from '../rpc/api-server.ts'
import type { ApiServer } from '../rpc/api-types.ts'
import type { Bounds } from '../rpc/bounds/types.ts'
import type { NodeConfig } from './config/schema.ts'
import type { Context } from './context.ts'
import { InternalErrors } from './observe/internal-errors.ts'
import { openSidePort, type SidePort } from './observe/side-port.ts'
import { openPeerPort, type PeerPort } from './peer-port.ts'
import { StartError, type StartReason } from './start-error.ts'

export interface Ports {
  readonly side: SidePort
  readonly peers: PeerPort
  readonly api: ApiServer
  readonly apiPort: number
}

/** Rejects with StartError PORT_* or ADDRESS_*. */
export async function openPorts({ config, env, log, metrics, readiness, closers }: Context): Promise<Ports> {
  const host = await listenAddress(config.bindAddr)
  const internal = new InternalErrors(env, log)
  closers.push(() => internal.close())
  // Its protos are read and compiled in one go: before anybody can ask anything of this node.
  const api = createApiServer({
    env,
    onInternal: (error) => internal.note(error),
    starting: () => readiness.reasons().join('; '),
    bounds: boundsOf(config),
    onCall: (method, code, ms) => metrics.call(method, code, ms),
  })
  closers.push(() => api.close())
  const probes = { metrics: () => metrics.render(), notReady: () => readiness.reasons() }
  const side = await listening(config, 'http_port', (port) => openSidePort(host, port, probes))
  closers.push(() => side.close())
  const peers = await listening(config, 'raft_port', (port) => openPeerPort(joinHostPort(host, port), env))
  closers.push(() => peers.close())
  const apiPort = await listening(config, 'grpc_port', (port) => api.listen(joinHostPort(host, port)))
  return { side, peers, api, apiPort }
}

function boundsOf(config: NodeConfig): Bounds {
  return {
    connections: config.connectionsMax,
    streamsPerConnection: config.streamsPerConnectionMax,
    streams: config.streamsMax,
    unfinishedBytes: config.unfinishedBytesMax,
    frameMs: config.frameTimeoutMs,
    unaryMs: config.unaryTimeoutMs,
  }
}

/**
 * The address that a `bind_addr` means: itself, or the first one of a name that this machine has, so that all ports of a
 * node listen at the same. Rejects with StartError ADDRESS_UNKNOWN or ADDRESS_NOT_HERE.
 */
async function listenAddress(bindAddr: string): Promise<string> {
  if (isIP(bindAddr) !== 0) return bindAddr
  const addresses = await lookup(bindAddr, { all: true }).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new StartError('ADDRESS_UNKNOWN', `Cannot listen on bind_addr ${bindAddr}: ${why}`, { cause })
  })
  for (const { address } of addresses) if (await isHere(address)) return address
  const all = addresses.map(({ address }) => address).join(', ')
  throw new StartError('ADDRESS_NOT_HERE', `Cannot listen on bind_addr ${bindAddr}: this machine has none of ${all}`)
}

/** Found out by listening there for a moment: no list of interfaces knows what the system lets one listen on. */
async function isHere(address: string): Promise<boolean> {
  const probe = createServer()
  try {
    probe.listen(0, address)
    await once(probe, 'listening')
    return true
  } catch (error) {
    if (ABSENT.has(codeOf(error))) return false
    throw error
  } finally {
    probe.close()
  }
}

const ABSENT: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT'])

type PortField = 'grpc_port' | 'http_port' | 'raft_port'
const NUMBERS = { grpc_port: 'grpcPort', http_port: 'httpPort', raft_port: 'raftPort' } as const

const REASONS: Readonly<Record<string, StartReason>> = {
  EADDRINUSE: 'PORT_IN_USE',
  EACCES: 'PORT_FORBIDDEN',
  EPERM: 'PORT_FORBIDDEN',
  EADDRNOTAVAIL: 'ADDRESS_NOT_HERE',
  EAFNOSUPPORT: 'ADDRESS_UNSUPPORTED',
}

/** A port that cannot be opened is a reason not to start, told by the setting that is at fault. */
export async function listening<T>(
  config: NodeConfig,
  setting: PortField,
  open: (port: number) => Promise<T>,
): Promise<T> {
  const port = config[NUMBERS[setting]]
  try {
    return await open(port)
  } catch (cause) {
    const reason = REASONS[codeOf(cause)] ?? 'PORT_UNUSABLE'
    const field = reason.startsWith('ADDRESS') ? undefined : setting
    const message = `Cannot listen on ${setting} ${port} of ${config.bindAddr}: ${textOf(cause)}`
    throw new StartError(reason, message, { field, cause })
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function codeOf(error: unknown): string {
  return /\bE[A-Z]{3,}\b/.exec(textOf(error))?.[0] ?? ''
}
