/** A gRPC server on a socket of the house, with every call within bounds. */
import { constants, type Http2Session } from 'node:http2'
import { Server, ServerCredentials, type ServerInterceptor, type ServerOptions } from '@grpc/grpc-js'
import type { Env } from '../../base/env.ts'
import type { SandglassError } from '../../base/errors.ts'
import { BoundedCall, type CallStatus } from './bounded-call.ts'
import { CallBook } from './call-book.ts'
import { ClientCalls, STREAMS_UNTRIED } from './client-calls.ts'
import { type Connection, Connections } from './connections.ts'
import { http2Stream } from './http2-stream.ts'
import { PortListener } from './port-listener.ts'
import type { BoundName, Bounds, BoundsStats } from './types.ts'

export interface BoundedServerOptions {
  readonly env: Env
  readonly bounds: Bounds
  readonly statusOf: (error: SandglassError) => CallStatus
  readonly server: ServerOptions
  /** A newcomer, before anything of it is read. */
  readonly onConnection?: (connection: Connection) => void
  /** Default true: a connection is of use while a call of it is served. false: who made the server says so. */
  readonly usedByCalls?: boolean
}

export interface BoundedServer {
  readonly server: Server
  readonly connections: Connections
  /** Binds `host:port` (port 0: any) and resolves the port; rejects when it is taken. */
  listen(address: string): Promise<number>
  stats(): BoundsStats
  /** Takes no more connections. */
  stop(): void
  /** Ends everything now. Idempotent. */
  close(): void
}

export function createBoundedServer(parts: BoundedServerOptions): BoundedServer {
  const { env, bounds, statusOf, onConnection, usedByCalls = true } = parts
  const refused: Record<BoundName, number> = { connections: 0, streams: 0, bytes: 0, time: 0 }
  const onRefused = (bound: BoundName) => {
    refused[bound] += 1
  }
  const book = new CallBook(env, bounds, onRefused)
  const clients = new WeakMap<Http2Session, ClientCalls>()
  const dropped = new WeakSet<Http2Session>()
  const interceptor: ServerInterceptor = ({ requestStream }, call) => {
    const stream = http2Stream(call)
    const client = clientOf(stream.session, call.getPeer())
    return new BoundedCall(call, {
      env,
      book,
      client,
      stream,
      statusOf,
      streaming: requestStream,
      unaryMs: bounds.unaryMs,
    })
  }
  const server = new Server({
    ...parts.server,
    'grpc.max_concurrent_streams': Math.min(bounds.streamsPerConnection, STREAMS_UNTRIED),
    interceptors: [interceptor],
  })
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  const connections = new Connections(bounds.connections, () => onRefused('connections'))
  const listener = new PortListener(connections, (connection) => {
    onConnection?.(connection)
    injector.injectConnection(connection.socket)
  })

  function clientOf(session: Http2Session | undefined, peer: string): ClientCalls {
    const known = session && clients.get(session)
    if (known !== undefined) return known
    const connection = connections.of(peer)
    const client = new ClientCalls({
      streamsMax: bounds.streamsPerConnection,
      onServing: (calls) => {
        if (connection === undefined || !usedByCalls) return
        connection.serving = calls
        connection.used = true
      },
      onAllowed: (streams) => {
        if (session?.destroyed === false) session.settings({ maxConcurrentStreams: streams })
      },
      drop: () => drop(session),
    })
    if (session !== undefined) clients.set(session, client)
    return client
  }

  /** Of a stream on a connection that ends: whoever asked hears of that. */
  const gone = () => undefined

  function drop(session: Http2Session | undefined): void {
    if (session === undefined || dropped.has(session)) return
    dropped.add(session)
    onRefused('streams')
    // Streams that came in the same read have not been told of yet: nobody needs to hear of them.
    session.removeAllListeners('stream').on('stream', (stream) => stream.on('error', gone))
    // Not while the session reads: Node's native code ends the process over a session that goes under it.
    setImmediate(() => session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM))
  }

  return {
    server,
    connections,
    listen: (address) => listener.listen(address),
    stats: () => ({
      connections: connections.size,
      streams: book.streams,
      unfinishedBytes: book.held,
      refused: { ...refused },
    }),
    stop: () => listener.stop(),
    close() {
      book.close()
      server.forceShutdown()
      listener.stop()
      connections.close()
    },
  }
}
