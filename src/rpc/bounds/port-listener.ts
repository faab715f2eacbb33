/** A listening socket of the house, whose connections are counted before a server library has them. */
import { createServer, type Server } from 'node:net'
import type { Connection, Connections } from './connections.ts'

export class PortListener {
  readonly #connections: Connections
  readonly #take: (connection: Connection) => void
  readonly #servers: Server[] = []

  /** `take` hands a connection that was let in to the server behind. */
  constructor(connections: Connections, take: (connection: Connection) => void) {
    this.#connections = connections
    this.#take = take
  }

  /** Binds `host:port` (port 0: any) and resolves the port; rejects with the error of the system. */
  listen(address: string): Promise<number> {
    const { host, port } = splitAddress(address)
    const server = createServer((socket) => {
      const connection = this.#connections.add(socket)
      if (connection !== undefined) this.#take(connection)
    })
    this.#servers.push(server)
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, () => {
        server.off('error', reject)
        const bound = server.address()
        resolve(bound !== null && typeof bound === 'object' ? bound.port : port)
      })
    })
  }

  /** Takes no more connections; those it has go on. Idempotent. */
  stop(): void {
    for (const server of this.#servers.splice(0)) server.close()
  }
}

/** An IPv6 address stands in brackets or not. */
function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(address.slice(colon + 1)) }
}
