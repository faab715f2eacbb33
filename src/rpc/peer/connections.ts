/**
 * The connections of the peer port. One whose caller was admitted stays, up to a number for each node; all others are
 * strangers: closed when they have not been admitted in time, and the first to give way when there are many. Who is found to
 * lie is refused and then cut off.
 */
import type { Env, Timer } from '../../base/env.ts'
import type { NodeId } from '../../base/ids.ts'
import { PEER_CONNECTIONS_PER_NODE_MAX, PEER_HANDSHAKE_MS_MAX } from '../../base/limits.ts'
import type { Connection, Connections } from '../bounds/connections.ts'

/** What a call says of the connection that it came over; `peer` as grpc-js names it. */
export interface PeerConnections {
  /** A call in the name of `node` was admitted. */
  admitted(peer: string, node: NodeId): void
  /** It asked for something that needs no admission. */
  asked(peer: string): void
  /** Nothing more is taken from it; it is closed once its refusal has left. */
  drop(peer: string): void
  /** It was dropped, or is gone. */
  isDropped(peer: string): boolean
}

/** For a refusal to leave. */
const LINGER_MS = 200

interface Known {
  readonly connection: Connection
  node: NodeId | undefined
  dropped: boolean
  end: Timer
}

export class TrackedConnections implements PeerConnections {
  readonly #env: Env
  readonly #connections: Connections
  /** Those that were admitted last come last. */
  readonly #known = new Map<Connection, Known>()

  constructor(env: Env, connections: Connections) {
    this.#env = env
    this.#connections = connections
  }

  /** A newcomer. */
  begin(connection: Connection): void {
    const known: Known = { connection, node: undefined, dropped: false, end: this.#endAfter(connection) }
    this.#known.set(connection, known)
    connection.socket.once('close', () => {
      known.end.cancel()
      this.#known.delete(connection)
    })
  }

  admitted(peer: string, node: NodeId): void {
    const known = this.#of(peer)
    if (known === undefined || known.dropped || known.node === node) return
    known.end.cancel()
    known.node = node
    known.connection.used = true
    // It does not give way to whoever comes.
    known.connection.serving = 1
    // Behind all others: who speaks just now is no rest of a cut network, and a session must not end in its own read.
    this.#known.delete(known.connection)
    this.#known.set(known.connection, known)
    // Whoever was closed in this turn is still among the known ones.
    const own = [...this.#known.values()].filter(
      ({ node: of, connection }) => of === node && !connection.socket.destroyed,
    )
    // Those that a cut network left behind were admitted first.
    if (own.length > PEER_CONNECTIONS_PER_NODE_MAX) own[0]?.connection.socket.destroy()
  }

  asked(peer: string): void {
    const known = this.#of(peer)
    if (known === undefined || known.dropped || known.node !== undefined) return
    known.connection.used = true
    known.end.cancel()
    known.end = this.#endAfter(known.connection)
  }

  drop(peer: string): void {
    const known = this.#of(peer)
    if (known === undefined || known.dropped) return
    known.dropped = true
    known.end.cancel()
    known.end = this.#env.after(LINGER_MS, () => known.connection.socket.destroy())
  }

  isDropped(peer: string): boolean {
    return this.#of(peer)?.dropped ?? true
  }

  #endAfter({ socket }: Connection): Timer {
    return this.#env.after(PEER_HANDSHAKE_MS_MAX, () => socket.destroy())
  }

  #of(peer: string): Known | undefined {
    const connection = this.#connections.of(peer)
    return connection && this.#known.get(connection)
  }
}
