/**
 * A TCP proxy for one direction of one pair of nodes. `open` forwards; `silent` keeps connections and forwards nothing,
 * as a network that drops every packet; `reset` closes all and refuses new ones.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'

export type LinkState = 'open' | 'silent' | 'reset'

interface Pair {
  readonly near: Socket
  readonly far: Socket
}

export class LinkProxy {
  readonly #upstream: number
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  #state: LinkState = 'open'

  private constructor(upstream: number) {
    this.#upstream = upstream
    this.#server = createServer((near) => this.#accept(near))
  }

  /** Listens on a free port of 127.0.0.1 and forwards to `upstream` there. */
  static async listen(upstream: number): Promise<LinkProxy> {
    const proxy = new LinkProxy(upstream)
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject)
      proxy.#server.listen(0, '127.0.0.1', resolve)
    })
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('proxy is closed')
    return address.port
  }

  set(state: LinkState): void {
    this.#state = state
    for (const pair of this.#pairs) {
      if (state === 'reset') drop(pair)
      else if (state === 'silent') pause(pair)
      // What was held back is gone on a real network too: TCP would resend it, so forwarding goes on.
      else resume(pair)
    }
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs) drop(pair)
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #accept(near: Socket): void {
    if (this.#state === 'reset') {
      near.resetAndDestroy()
      return
    }
    const far = connect(this.#upstream, '127.0.0.1')
    const pair = { near, far }
    this.#pairs.add(pair)
    near.setNoDelay(true)
    far.setNoDelay(true)
    near.pipe(far)
    far.pipe(near)
    for (const socket of [near, far]) {
      socket.on('error', () => drop(pair))
      socket.on('close', () => {
        drop(pair)
        this.#pairs.delete(pair)
      })
    }
    if (this.#state === 'silent') pause(pair)
  }
}

function drop({ near, far }: Pair): void {
  near.destroy()
  far.destroy()
}

function pause({ near, far }: Pair): void {
  near.unpipe(far)
  far.unpipe(near)
  near.pause()
  far.pause()
}

function resume({ near, far }: Pair): void {
  near.pipe(far)
  far.pipe(near)
}
