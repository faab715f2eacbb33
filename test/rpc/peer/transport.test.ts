/** The peer port over real sockets on 127.0.0.1: everything waits for events, with the test's own deadline. */
import { promises } from 'node:dns'
import { EventEmitter, once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { Client, credentials, type Metadata, type ServiceError } from '@grpc/grpc-js'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Env } from '../../../src/base/env.ts'
import { invalid } from '../../../src/base/errors.ts'
import type { NodeId } from '../../../src/base/ids.ts'
import { PEER_QUEUE_BYTES_MAX } from '../../../src/base/limits.ts'
import type { PeerReceiver, SnapshotStream } from '../../../src/replication/transport.ts'
import { createPeerServer, type PeerServer } from '../../../src/rpc/peer/port.ts'
import { addRaftService } from '../../../src/rpc/peer/raft-service.ts'
import { createPeerTransport, type PeerTransport, type PeerTransportOptions } from '../../../src/rpc/peer/transport.ts'
import { EXCHANGE, encodeHandshake, INSTALL_SNAPSHOT } from '../../../src/rpc/peer/wire.ts'

const env: Env = {
  wallMs: () => Date.now(),
  monoMs: () => performance.now(),
  random: () => Math.random(),
  randomBytes: (count) => new Uint8Array(count),
  after: (ms, run) => {
    const timer = setTimeout(run, ms)
    return { cancel: () => clearTimeout(timer) }
  },
  endOfTurn: (run) => setImmediate(run),
}

const bytes = (...values: number[]) => Uint8Array.from(values)
const closers: (() => void)[] = []

afterEach(() => {
  for (const close of closers.splice(0).reverse()) close()
})

/** What arrives at a node, as events `frame`, `snapshot`, `down`. */
class Inbox extends EventEmitter implements PeerReceiver {
  onFrame: (frame: Uint8Array) => Promise<void> | void = () => undefined
  onChunk: (chunk: Uint8Array) => void = () => undefined
  readonly taken: number[][] = []

  frame(from: NodeId, frame: Uint8Array): Promise<void> | undefined {
    const later = this.onFrame(frame)
    this.emit('frame', from, [...frame])
    return later instanceof Promise ? later : undefined
  }

  async snapshot(from: NodeId, header: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const received: number[] = []
    for await (const chunk of chunks) {
      this.onChunk(chunk)
      received.push(chunk.byteLength)
    }
    this.taken.push(received)
    this.emit('snapshot', from, [...header], received)
  }

  peerDown(node: NodeId): void {
    this.emit('down', node)
  }
}

interface Peer {
  readonly inbox: Inbox
  readonly server: PeerServer
  readonly address: string
}

async function listen(node: NodeId, clusterId = 'c1', at = '127.0.0.1:0'): Promise<Peer> {
  const inbox = new Inbox()
  const server = createPeerServer(env)
  addRaftService(server.services, {
    ...{ clusterId: () => clusterId, node: () => node, knows: (of) => of < 5, receiver: () => inbox },
    onViolation: (from, field) => inbox.emit('violation', from, field),
    connections: server.connections,
  })
  const bound = await server.listen(at)
  closers.push(() => server.close())
  return { inbox, server, address: at.replace(/\d+$/, String(bound)) }
}

/** Node 1's transport towards node 2; `errors` emits `link`. */
function connect(
  address: string,
  options: Partial<PeerTransportOptions> = {},
): { transport: PeerTransport; own: Inbox; errors: EventEmitter } {
  const errors = new EventEmitter()
  const own = new Inbox()
  const transport = createPeerTransport({
    env,
    clusterId: 'c1',
    node: 1,
    peers: () => new Map([[2, address]]),
    onLinkError: (_node, message) => errors.emit('link', message),
    ...options,
  })
  transport.attach(own)
  closers.push(() => transport.close())
  return { transport, own, errors }
}

/** Connects to `peer`, is heard by it, closes it, and waits for the word that it is gone. */
async function lose(peer: Peer): Promise<{ transport: PeerTransport; gone: unknown[] }> {
  const { transport, own } = connect(peer.address)
  const heard = once(peer.inbox, 'frame')
  transport.send(2, 'control', bytes(1))
  await heard
  const gone = once(own, 'down')
  peer.server.close()
  return { transport, gone: await gone }
}

function streamOf(header: Uint8Array, chunks: Uint8Array[]): SnapshotStream {
  return { header, next: async () => chunks.shift(), close: async () => undefined }
}

describe('the peer port', () => {
  test('carries frames of both lanes to the peer, in order within a lane', async () => {
    const peer = await listen(2)
    const { transport } = connect(peer.address)
    for (const lane of ['control', 'append'] as const) {
      const frames = [bytes(1), new Uint8Array(300_000).fill(7), bytes()]
      const received: number[] = []
      const all = new Promise<void>((resolve) => {
        peer.inbox.on('frame', (from: NodeId, frame: number[]) => {
          expect(from).toBe(1)
          received.push(frame.length)
          if (received.length === frames.length) resolve()
        })
      })
      for (const frame of frames) expect(transport.send(2, lane, frame)).toBe(true)
      await all
      expect(received).toEqual([1, 300_000, 0])
      peer.inbox.removeAllListeners()
    }
  })

  test('drops frames for a node whose address is unknown', async () => {
    const { transport } = connect('127.0.0.1:1')
    expect(transport.send(3, 'control', bytes(1))).toBe(false)
    expect(await transport.sendSnapshot(3, 7, streamOf(bytes(1), []))).toBe(false)
  })

  test('refuses a caller of another cluster with a reason, and keeps its frames from the receiver', async () => {
    const peer = await listen(2, 'c2')
    const { transport, errors } = connect(peer.address)
    peer.inbox.on('frame', () => expect.unreachable('a frame got through'))
    const refused = once(errors, 'link')
    transport.send(2, 'control', bytes(1))
    const told = String(await refused)
    expect(told).toContain('it is of another cluster')
    expect(told).not.toContain('c2')
  })

  test('refuses a caller that means another node or speaks another protocol', async () => {
    const peer = await listen(3)
    const { transport, errors } = connect(peer.address)
    const refused = once(errors, 'link')
    transport.send(2, 'control', bytes(1))
    expect(String(await refused)).toContain('it looks for node 2, this is node 3')

    const metadata = encodeHandshake({ clusterId: 'c1', from: 1, to: 3 })
    metadata.set('sandglass-protocol', '99')
    expect((await call(peer.address, metadata)).details).toContain('its protocol is 99, ours is 3')
  })

  test('refuses a caller that the cluster does not know', async () => {
    const peer = await listen(2)
    const metadata = encodeHandshake({ clusterId: 'c1', from: 9, to: 2 })
    expect((await call(peer.address, metadata)).details).toContain('no node of this cluster has its id')
  })

  test('refuses a caller that says it is the node which it calls, or no node at all', async () => {
    const peer = await listen(2)
    for (const from of [2, 0, -1, 1.5, 2 ** 53]) {
      const metadata = encodeHandshake({ clusterId: 'c1', from, to: 2 })
      expect((await call(peer.address, metadata)).details).toContain('its node id makes no sense')
    }
  })

  test('comes back ever more slowly to a peer that ends each stream as a violation', async () => {
    const peer = await listen(2)
    peer.inbox.onFrame = () => {
      throw invalid('term', 'Cannot take a message: its term is too far away')
    }
    const waits: number[] = []
    const patient: Env = {
      ...env,
      // Waiting costs nothing here, and time stands still for whoever looks at it.
      monoMs: () => 0,
      after: (ms, run) => {
        if (ms < 2000) waits.push(ms)
        return env.after(ms < 2000 ? 0 : ms, run)
      },
    }
    const { transport } = connect(peer.address, { env: patient })
    let told = 0
    const enough = new Promise<void>((resolve) => {
      peer.inbox.on('violation', () => {
        if (++told === 5) resolve()
      })
    })
    const timer = setInterval(() => {
      // A peer that is heard from is no reason to hurry either.
      transport.heard(2)
      transport.send(2, 'control', bytes(1))
    }, 5)
    closers.push(() => clearInterval(timer))
    await enough
    expect(waits.slice(0, 4)).toEqual([50, 100, 200, 400])
  })

  test('drops the connection of a peer whose frame is damaged, and takes a new one', async () => {
    const peer = await listen(2)
    peer.inbox.onFrame = (frame) => {
      if (frame[0] === 66) throw invalid('frame', 'Cannot read a frame: the checksum differs')
    }
    const metadata = encodeHandshake({ clusterId: 'c1', from: 1, to: 2 })
    const told = once(peer.inbox, 'violation')
    const error = await call(peer.address, metadata, bytes(66))
    expect(error.details).toContain('the checksum differs')
    expect(await told).toEqual([1, 'frame'])

    const { transport } = connect(peer.address)
    const heard = once(peer.inbox, 'frame')
    transport.send(2, 'control', bytes(1))
    expect(await heard).toEqual([1, [1]])
  })

  test('reads no more of a connection before the frame that has to wait is taken', async () => {
    const peer = await listen(2)
    const { transport } = connect(peer.address)
    let take: () => void = () => undefined
    const waits = new Promise<void>((resolve) => {
      take = resolve
    })
    peer.inbox.onFrame = (frame) => (frame[0] === 1 ? waits : undefined)
    const heard: number[] = []
    const last = new Promise<void>((resolve) => {
      peer.inbox.on('frame', (_from, [frame]: number[]) => {
        heard.push(frame ?? 0)
        if (frame === 3) resolve()
      })
    })
    const append = once(peer.inbox, 'frame')
    for (let i = 1; i <= 3; i++) transport.send(2, 'control', bytes(i))
    await append
    // The other lane is a connection of its own.
    const other = once(peer.inbox, 'frame')
    transport.send(2, 'append', bytes(9))
    await other
    expect(heard).toEqual([1, 9])
    take()
    await last
    expect(heard).toEqual([1, 9, 2, 3])
  })

  test('says that a peer is gone once its connection was reset and the next one refused', async () => {
    const { gone } = await lose(await listen(2))
    expect(gone).toEqual([2])
  })

  test('is told by the control lane alone that a peer is gone: one lane speaks for the process', async () => {
    const peer = await listen(2)
    // Waiting costs nothing here, and time stands still for whoever looks at it.
    let waiting = 0
    const after: Env['after'] = (ms, run) => {
      if (ms >= 2000) return env.after(ms, run)
      waiting += 1
      return env.after(0, () => {
        waiting -= 1
        run()
      })
    }
    const { transport, own } = connect(peer.address, { env: { ...env, monoMs: () => 0, after } })
    const downs: NodeId[] = []
    own.on('down', (node: NodeId) => downs.push(node))
    const heard = once(peer.inbox, 'frame')
    transport.send(2, 'append', bytes(1))
    await heard
    peer.server.close()
    // Until it has been refused and waits to be asked again.
    while (waiting > 0 || transport.send(2, 'append', bytes(2))) await new Promise((resolve) => setImmediate(resolve))
    expect(downs).toEqual([])
  })

  test('goes to where a peer is said to be now', async () => {
    const [first, second] = [await listen(2), await listen(2)]
    let { address } = first
    const { transport } = connect(address, { peers: () => new Map([[2, address]]) })
    for (const peer of [first, second, first]) {
      address = peer.address
      const heard = once(peer.inbox, 'frame')
      transport.send(2, 'control', bytes(3))
      expect(await heard).toEqual([1, [3]])
    }
  })

  test('asks anew where the name of a peer leads that was heard from', async () => {
    const first = await listen(2)
    const port = first.address.split(':')[1]
    const found = { address: '127.0.0.1', family: 4 }
    // As one question for all is answered, and as its types say.
    const lookup = vi.spyOn(promises, 'lookup').mockImplementation(async () => Object.assign([found], found))
    closers.push(() => lookup.mockRestore())
    const { transport, own } = connect(`n2.test:${port}`)
    const heard = once(first.inbox, 'frame')
    transport.send(2, 'control', bytes(1))
    await heard
    const gone = once(own, 'down')
    first.server.close()
    await gone
    found.address = '127.0.0.2'
    const again = once((await listen(2, 'c1', `${found.address}:${port}`)).inbox, 'frame')
    const timer = setInterval(() => {
      transport.heard(2)
      transport.send(2, 'control', bytes(2))
    }, 20)
    closers.push(() => clearInterval(timer))
    expect(await again).toEqual([1, [2]])
  })

  test('finds a peer again that came back', async () => {
    const first = await listen(2)
    const { transport } = await lose(first)
    const second = await listen(2, 'c1', first.address)
    const again = once(second.inbox, 'frame')
    const timer = setInterval(() => transport.send(2, 'control', bytes(9)), 20)
    closers.push(() => clearInterval(timer))
    expect(await again).toEqual([1, [9]])
  })

  test('tries a peer at once that was heard from, without waiting for its backoff', async () => {
    const first = await listen(2)
    // Time stands still: no backoff ever ends by itself.
    const frozen: Env = { ...env, monoMs: () => 0 }
    const { transport, own } = connect(first.address, { env: frozen })
    const heard = once(first.inbox, 'frame')
    transport.send(2, 'control', bytes(1))
    await heard
    const gone = once(own, 'down')
    first.server.close()
    await gone
    const second = await listen(2, 'c1', first.address)
    expect(transport.send(2, 'control', bytes(2))).toBe(false)
    transport.heard(2)
    const again = once(second.inbox, 'frame')
    expect(transport.send(2, 'control', bytes(3))).toBe(true)
    expect(await again).toEqual([1, [3]])
  })

  test('tells that a peer connected', async () => {
    const inbox = new Inbox()
    const server = createPeerServer(env)
    const onPeer = (node: NodeId) => inbox.emit('peer', node)
    addRaftService(server.services, {
      ...{ clusterId: () => 'c1', node: () => 2, knows: () => true, receiver: () => inbox, onPeer },
      connections: server.connections,
    })
    closers.push(() => server.close())
    const { transport } = connect(`127.0.0.1:${await server.listen('127.0.0.1:0')}`)
    const connected = once(inbox, 'peer')
    transport.send(2, 'control', bytes(1))
    expect(await connected).toEqual([1])
  })

  test('gives a connection up that does not come about, and tries anew', async () => {
    const silent = createServer()
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const address = silent.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const sockets: Socket[] = []
    closers.push(() => {
      silent.close()
      for (const socket of sockets) socket.destroy()
    })
    const second = new Promise<void>((resolve) => {
      silent.on('connection', (socket) => {
        socket.on('error', () => undefined)
        if (sockets.push(socket) === 2) resolve()
      })
    })
    const { transport, own } = connect(`127.0.0.1:${address.port}`, { connectMs: 100 })
    own.on('down', () => expect.unreachable('silence is no refusal'))
    const timer = setInterval(() => transport.send(2, 'control', bytes(9)), 20)
    closers.push(() => clearInterval(timer))
    await second
  })

  test('never calls a peer gone that was not there in the first place', async () => {
    const peer = await listen(2)
    peer.server.close()
    const { transport, own } = connect(peer.address)
    own.on('down', () => expect.unreachable('nobody was there'))
    expect(await transport.sendSnapshot(2, 7, streamOf(bytes(1), [bytes(2)]))).toBe(false)
    transport.send(2, 'control', bytes(1))
    expect(await transport.sendSnapshot(2, 7, streamOf(bytes(1), [bytes(2)]))).toBe(false)
  })

  test('drops what exceeds the queue of a peer that does not read', async () => {
    const peer = await listen(2)
    const { transport } = connect(peer.address)
    const frame = new Uint8Array(256 * 1024)
    let sent = 0
    while (transport.send(2, 'append', frame)) sent++
    expect(sent * frame.byteLength).toBeLessThanOrEqual(16 * 2 ** 20)
    expect(sent).toBeGreaterThan(1)
  })

  test('counts what a frame keeps in memory, which is the buffer that it was cut from', async () => {
    const { transport } = connect((await listen(2)).address)
    const mib = 2 ** 20
    let sent = 0
    while (sent < 100 && transport.send(2, 'append', new Uint8Array(mib).subarray(0, 1))) sent++
    expect(sent * mib).toBeLessThanOrEqual(PEER_QUEUE_BYTES_MAX)
    expect(sent).toBeGreaterThan(1)
  })

  test('streams a snapshot of many chunks and answers when it is taken', async () => {
    const peer = await listen(2)
    const { transport } = connect(peer.address)
    const chunks = Array.from({ length: 40 }, () => new Uint8Array(256 * 1024).fill(3))
    expect(await transport.sendSnapshot(2, 7, streamOf(bytes(5), chunks))).toBe(true)
    expect(peer.inbox.taken).toEqual([Array.from({ length: 40 }, () => 256 * 1024)])
  })

  test('answers false when the peer refuses the snapshot midway, and stops sending', async () => {
    const peer = await listen(2)
    peer.inbox.onChunk = () => {
      throw invalid('chunk', 'Cannot install a snapshot: a chunk is damaged')
    }
    const { transport, errors } = connect(peer.address)
    const reason = once(errors, 'link')
    let served = 0
    const endless: SnapshotStream = {
      header: bytes(5),
      next: async () => {
        served++
        return new Uint8Array(256 * 1024)
      },
      close: async () => undefined,
    }
    expect(await transport.sendSnapshot(2, 7, endless)).toBe(false)
    expect(String(await reason)).toContain('a chunk is damaged')
    expect(served).toBeGreaterThan(0)
  })

  test('a snapshot stream that its caller ends without the empty chunk is cut short, and not taken', async () => {
    const peer = await listen(2)
    const client = new Client(peer.address, credentials.createInsecure())
    closers.push(() => client.close())
    const { path, requestSerialize, responseDeserialize } = INSTALL_SNAPSHOT
    const metadata = encodeHandshake({ clusterId: 'c1', from: 1, to: 2 })
    const answer = await new Promise<ServiceError | null>((resolve) => {
      const stream = client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, metadata, resolve)
      for (const part of [bytes(5), bytes(6)]) stream.write(part)
      stream.end()
    })
    expect(answer?.details).toBe('Cannot install a snapshot: it was cut short')
    expect(peer.inbox.taken).toEqual([])
  })

  test('a snapshot that was cut short is never taken', async () => {
    const peer = await listen(2)
    const { transport } = connect(peer.address)
    const broken: SnapshotStream = {
      header: bytes(5),
      next: async () => {
        throw new Error('the disk failed')
      },
      close: async () => undefined,
    }
    expect(await transport.sendSnapshot(2, 7, broken)).toBe(false)
    expect(peer.inbox.taken).toEqual([])
  })
})

/** One Exchange call with this metadata; resolves the error that ends it. */
function call(address: string, metadata: Metadata, frame?: Uint8Array): Promise<ServiceError> {
  const client = new Client(address, credentials.createInsecure())
  closers.push(() => client.close())
  const stream = client.makeBidiStreamRequest(
    EXCHANGE.path,
    EXCHANGE.requestSerialize,
    EXCHANGE.responseDeserialize,
    metadata,
  )
  stream.resume()
  if (frame !== undefined) stream.write(frame)
  return new Promise((resolve) => stream.on('error', resolve))
}
