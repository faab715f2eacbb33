/** The gRPC server of the peer port, within bounds of its own; the services are added by their own files. */
import { Metadata, type Server } from '@grpc/grpc-js'
import type { Env } from '../../base/env.ts'
import {
  COMMAND_BYTES_MAX,
  FRAME_MS_MAX,
  PEER_CONNECTIONS_MAX,
  PEER_FRAME_BYTES,
  PEER_STREAMS_MAX,
  PEER_STREAMS_PER_CONNECTION_MAX,
  PEER_UNFINISHED_BYTES_MAX,
  UNARY_MS_MAX,
} from '../../base/limits.ts'
import { WITHOUT_CHANNELZ } from '../../wire/channels.ts'
import { createBoundedServer } from '../bounds/bounded-server.ts'
import type { Bounds, BoundsStats } from '../bounds/types.ts'
import { type PeerConnections, TrackedConnections } from './connections.ts'

export interface PeerServer {
  readonly services: Server
  /** What its services say of the connections that their calls come over. */
  readonly connections: PeerConnections
  stats(): BoundsStats
  /** Binds `host:port` and resolves the port; rejects when it is taken. */
  listen(address: string): Promise<number>
  /** Ends every stream now. */
  close(): void
}

const SLACK_BYTES = 64 * 1024
/** A connection without a call is closed, also one that was admitted: peers have a stream open as long as they live. */
const IDLE_MS = 30_000

const BOUNDS: Bounds = {
  connections: PEER_CONNECTIONS_MAX,
  streamsPerConnection: PEER_STREAMS_PER_CONNECTION_MAX,
  streams: PEER_STREAMS_MAX,
  unfinishedBytes: PEER_UNFINISHED_BYTES_MAX,
  frameMs: FRAME_MS_MAX,
  unaryMs: UNARY_MS_MAX,
}

export function createPeerServer(env: Env, bounds: Partial<Bounds> = {}): PeerServer {
  const { server, connections, stats, listen, close } = createBoundedServer({
    env,
    bounds: { ...BOUNDS, ...bounds },
    statusOf: ({ code, message }) => ({ code, details: message, metadata: new Metadata() }),
    server: {
      ...WITHOUT_CHANNELZ,
      // A frame is at most PEER_FRAME_BYTES or one entry, which holds at most one command of this size.
      'grpc.max_receive_message_length': Math.max(PEER_FRAME_BYTES, COMMAND_BYTES_MAX) + SLACK_BYTES,
      'grpc.max_send_message_length': -1,
      'grpc.max_connection_idle_ms': IDLE_MS,
    },
    onConnection: (connection) => tracked.begin(connection),
    // Whose caller was admitted.
    usedByCalls: false,
  })
  const tracked = new TrackedConnections(env, connections)
  return { services: server, connections: tracked, stats, listen, close }
}
