/** The gRPC server of the peer port; the services are added by their own files. */
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { COMMAND_BYTES_MAX, PEER_FRAME_BYTES } from '../../base/limits.ts'

export interface PeerServer {
  readonly services: Server
  /** Binds `host:port` and resolves the port; rejects when it is taken. */
  listen(address: string): Promise<number>
  /** Ends every stream now. */
  close(): void
}

const SLACK_BYTES = 64 * 1024
const WINDOW_BYTES = 4 * 1024 * 1024

export function createPeerServer(): PeerServer {
  const services = new Server({
    // A frame is at most PEER_FRAME_BYTES or one entry, which holds at most one command of this size.
    'grpc.max_receive_message_length': Math.max(PEER_FRAME_BYTES, COMMAND_BYTES_MAX) + SLACK_BYTES,
    'grpc.max_send_message_length': -1,
    'grpc-node.flow_control_window': WINDOW_BYTES,
  })
  return {
    services,
    listen: (address) =>
      new Promise((resolve, reject) => {
        services.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
          if (error === null) resolve(port)
          else reject(error)
        })
      }),
    close: () => services.forceShutdown(),
  }
}
