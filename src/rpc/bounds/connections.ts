/**
 * The connections of a port, which are bounded: server libraries take whatever connects. At the bound one on which nothing
 * is served gives way to the newcomer, those that never asked for anything first; if there is none, the newcomer is closed
 * at once.
 */
import type { Socket } from 'node:net'

/** One client's connection, and whether it makes use of it. */
export interface Connection {
  readonly socket: Socket
  /** Requests of it that are being served. */
  serving: number
  /** It has asked for something. */
  used: boolean
}

export class Connections {
  readonly #max: number
  readonly #onRefused: () => void
  /** By peer, the oldest first. */
  readonly #byPeer = new Map<string, Connection>()

  /** `onRefused`: one was closed for want of room. */
  constructor(max: number, onRefused: () => void = () => undefined) {
    this.#max = max
    this.#onRefused = onRefused
  }

  get size(): number {
    return this.#byPeer.size
  }

  /** The connection of a peer as `peerOf` names it. */
  of(peer: string): Connection | undefined {
    return this.#byPeer.get(peer)
  }

  /** A newcomer; undefined when it was closed. */
  add(socket: Socket): Connection | undefined {
    const peer = peerOf(socket)
    if (this.#byPeer.size >= this.#max) {
      this.#onRefused()
      const idle = this.#leastOfUse()
      if (idle === undefined) {
        socket.destroy()
        return undefined
      }
      idle[1].socket.destroy()
      this.#byPeer.delete(idle[0])
    }
    const connection = { socket, serving: 0, used: false }
    this.#byPeer.set(peer, connection)
    socket.once('close', () => {
      if (this.#byPeer.get(peer) === connection) this.#byPeer.delete(peer)
    })
    return connection
  }

  /** Ends them all now. */
  close(): void {
    for (const { socket } of this.#byPeer.values()) socket.destroy()
    this.#byPeer.clear()
  }

  #leastOfUse(): [string, Connection] | undefined {
    let idle: [string, Connection] | undefined
    for (const one of this.#byPeer) {
      if (!one[1].used) return one
      if (one[1].serving === 0) idle ??= one
    }
    return idle
  }
}

/** As grpc-js names the peer of a call. */
export function peerOf({ remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  return `${remoteAddress}:${remotePort}`
}
