/**
 * Channels to the public ports of other nodes, for forwarding: one per address, few, kept. A request leaves only over a
 * connection that stands, so that a failure to connect is known to have changed nothing.
 */
import { Client, type ClientDuplexStream, connectivityState, credentials, Metadata } from '@grpc/grpc-js'
import type { Env } from '../base/env.ts'
import { SandglassError } from '../base/errors.ts'
import type { NodeId } from '../base/ids.ts'
import type { NodeInfo } from '../broker/directory.ts'
import { DIRECT, targetOf } from '../wire/channels.ts'

/** Marks a request that another node passed on, for which partition: it is not passed on again. */
export const FORWARDED_KEY = 'sandglass-forwarded'

export type RawStream = ClientDuplexStream<Buffer, Buffer>

interface Passing {
  readonly partition: number
  /** Of a stream: by when it is connected. Monotonic ms. */
  readonly deadline: number
}

interface PassingCall extends Passing {
  /** Ends the call to the other node with the caller's own. */
  readonly onCancel: (listener: () => void) => void
}

export interface NodeChannels {
  /** Sends an encoded request, resolves the encoded response. Rejects UNREACHABLE when it never left, else a gRPC ServiceError. */
  unary(node: NodeInfo, path: string, request: Buffer, about: PassingCall): Promise<Buffer>
  /** Opens a stream of encoded messages over a standing connection. Rejects UNREACHABLE. */
  stream(node: NodeInfo, path: string, about: Passing): Promise<RawStream>
  /**
   * Ends, as if their connections had broken, the streams to nodes that are not alive any more. A single call has a deadline
   * and is left to it: a node that is only slow may answer yet, and its caller would take what was stored for unknown.
   */
  keepTo(alive: (node: NodeId) => boolean): void
  close(): void
}

/** Longest wait for a connection before another node or leader is looked for, ms. */
const CONNECT_MS = 1000
const CHANNELS_MAX = 256
const CHANNEL_OPTIONS = {
  ...DIRECT,
  'grpc.initial_reconnect_backoff_ms': 75,
  'grpc.min_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc-node.flow_control_window': 4 * 1024 * 1024,
}

export function createNodeChannels(env: Env): NodeChannels {
  const clients = new Map<string, Client>()
  const streams = new Map<NodeId, Set<RawStream>>()

  /** Keepalive would take 15 s to find that a node is silent. */
  function track(node: NodeId, stream: RawStream): RawStream {
    const open = streams.get(node) ?? new Set()
    streams.set(node, open.add(stream))
    stream.once('status', () => {
      open.delete(stream)
      if (open.size === 0 && streams.get(node) === open) streams.delete(node)
    })
    return stream
  }

  function clientFor(address: string): Client {
    const known = clients.get(address)
    if (known !== undefined) return known
    // Addresses of nodes that are gone pile up slowly; the oldest goes.
    for (const [oldest, client] of clients) {
      if (clients.size < CHANNELS_MAX) break
      clients.delete(oldest)
      client.close()
    }
    const client = new Client(targetOf(address), credentials.createInsecure(), CHANNEL_OPTIONS)
    clients.set(address, client)
    return client
  }

  async function connected(node: NodeInfo, deadline: number): Promise<Client> {
    const client = clientFor(node.grpc)
    if (client.getChannel().getConnectivityState(true) === connectivityState.READY) return client
    const ms = Math.max(1, Math.min(CONNECT_MS, deadline - env.monoMs()))
    await new Promise<void>((resolve, reject) => {
      client.waitForReady(new Date(env.wallMs() + ms), (error) => {
        if (error === undefined) resolve()
        else reject(new SandglassError('UNREACHABLE', `Cannot reach node ${node.name}: no connection`))
      })
    })
    return client
  }

  return {
    async unary(node, path, request, { partition, deadline, onCancel }) {
      const client = await connected(node, deadline)
      const options = { deadline: env.wallMs() + Math.max(1, deadline - env.monoMs()) }
      return new Promise((resolve, reject) => {
        const call = client.makeUnaryRequest(
          path,
          same,
          same,
          request,
          forwardedMark(partition),
          options,
          (error, response) => {
            if (error !== null) reject(error)
            else resolve(response ?? EMPTY)
          },
        )
        onCancel(() => call.cancel())
      })
    },
    async stream(node, path, { partition, deadline }) {
      const client = await connected(node, deadline)
      return track(node.id, client.makeBidiStreamRequest(path, same, same, forwardedMark(partition)))
    },
    keepTo(alive) {
      for (const [node, open] of streams) {
        if (!alive(node)) for (const stream of [...open]) stream.cancel()
      }
    },
    close() {
      for (const client of clients.values()) client.close()
      clients.clear()
    },
  }
}

const EMPTY = Buffer.alloc(0)

function same(bytes: Buffer): Buffer {
  return bytes
}

function forwardedMark(partition: number): Metadata {
  const metadata = new Metadata()
  metadata.set(FORWARDED_KEY, String(partition))
  return metadata
}
