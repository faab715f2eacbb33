/** The gRPC server of the peer port; the services are added by their own files. */
import { Server, ServerCredentials } from '@grpc/grpc-js'
import type { Env } from '../../base/env.ts'
import { COMMAND_BYTES_MAX, PEER_CONNECTIONS_MAX, PEER_FRAME_BYTES } from '../../base/limits.ts'
import { WITHOUT_CHANNELZ } from '../../wire/channels.ts'
import { Connections } from '../bounds/connections.ts'
import { PortListener } from '../bounds/port-listener.ts'
import { type PeerConnections, TrackedConnections } from './connections.ts'

export interface PeerServer {
  readonly services: Server
  /** What its services say of the connections that their calls come over. */
  readonly connections: PeerConnections
  /** Binds `host:port` and resolves the port; rejects when it is taken. */
  listen(address: string): Promise<number>
  /** Ends every stream now. */
  close(): void
}

const SLACK_BYTES = 64 * 1024
/** Of one connection; a peer has few. */
const STREAMS_MAX = 100
/** A connection without a call is closed, also one that was admitted: peers have a stream open as long as they live. */
const IDLE_MS = 30_000

export function createPeerServer(env: Env, connectionsMax = PEER_CONNECTIONS_MAX): PeerServer {
  const services = new Server({
    ...WITHOUT_CHANNELZ,
    // A frame is at most PEER_FRAME_BYTES or one entry, which holds at most one command of this size.
    'grpc.max_receive_message_length': Math.max(PEER_FRAME_BYTES, COMMAND_BYTES_MAX) + SLACK_BYTES,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': STREAMS_MAX,
    'grpc.max_connection_idle_ms': IDLE_MS,
  })
  const injector = services.createConnectionInjector(ServerCredentials.createInsecure())
  const connections = new Connections(connectionsMax)
  const tracked = new TrackedConnections(env, connections)
  const listener = new PortListener(connections, (connection) => {
    tracked.begin(connection)
    injector.injectConnection(connection.socket)
  })
  return {
    services,
    connections: tracked,
    listen: (address) => listener.listen(address),
    close: () => {
      services.forceShutdown()
      listener.stop()
      connections.close()
    },
  }
}
