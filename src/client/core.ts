// What every part of the client works with: connections, routes, time. sandctl builds on this directly where it needs
// calls that the public client does not offer.
import { parseHostPort } from '../base/address.ts'
import type { Env } from '../base/env.ts'
import { invalid } from '../base/errors.ts'
import { realEnv } from '../base/real-env.ts'
import { createPartitioner, type Partitioner } from '../wire/partition.ts'
import { Calls } from './calls.ts'
import { checkObject, checkWithin, TIMEOUT_MS_MAX } from './checks.ts'
import { checkCredentials, createGrpcTransport, type GrpcOptions } from './grpc-transport.ts'
import { Routes } from './routes.ts'
import type { Transport } from './transport.ts'

export interface ConnectOptions extends GrpcOptions {
  /** `host:port` of one or more nodes; others are learnt from them. */
  readonly addrs: readonly string[]
  /** For every call, from its begin to its end with all retries; 1 to 2^31 - 1. Default 10 s. */
  readonly timeoutMs?: number | undefined
}

export interface Core {
  readonly env: Env
  readonly transport: Transport
  readonly calls: Calls
  readonly routes: Routes
  readonly partitioner: Partitioner
  readonly timeoutMs: number
}

const TIMEOUT_MS = 10_000

/** Reaches one node at least, and learns of the others. Rejects with INVALID or UNREACHABLE. */
export async function connectCore(options: ConnectOptions): Promise<Core> {
  checkConnect(options)
  const { addrs, timeoutMs = TIMEOUT_MS } = options
  const env = realEnv()
  const transport = createGrpcTransport(options)
  const calls = new Calls(env, transport, { addrs, timeoutMs })
  try {
    const { nodes } = await calls.call('Cluster', 'ListNodes', {}, { mutating: false })
    calls.learn(nodes.map((node) => node.grpc))
  } catch (error) {
    transport.close()
    throw error
  }
  return { env, transport, calls, routes: new Routes(calls), partitioner: await createPartitioner(), timeoutMs }
}

/** Throws INVALID. */
export function checkConnect(options: ConnectOptions): void {
  checkObject(options, 'options')
  const { addrs, timeoutMs = TIMEOUT_MS } = options
  if (!Array.isArray(addrs) || addrs.length === 0) throw invalid('addrs', 'Cannot connect: no address is given')
  for (const addr of addrs) {
    if (typeof addr !== 'string' || parseHostPort(addr) === undefined)
      throw invalid(
        'addrs',
        `Cannot connect to ${typeof addr === 'string' ? JSON.stringify(addr) : typeof addr}: not host:port or [IPv6]:port`,
      )
  }
  checkWithin(timeoutMs, 'timeoutMs', { min: 1, max: TIMEOUT_MS_MAX })
  checkCredentials(options)
}
