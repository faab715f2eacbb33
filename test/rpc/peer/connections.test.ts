/** Who may stay connected to the peer port: over real sockets, with the test's own deadline; time stands still until it is moved. */
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { PEER_CONNECTIONS_PER_NODE_MAX, PEER_HANDSHAKE_MS_MAX } from '../../../src/base/limits.ts'
import { violation } from '../../../src/base/violation.ts'
import { Connections, peerOf } from '../../../src/rpc/bounds/connections.ts'
import { PortListener } from '../../../src/rpc/bounds/port-listener.ts'
import { addFormationService } from '../../../src/rpc/formation/service.ts'
import { TrackedConnections } from '../../../src/rpc/peer/connections.ts'
import { createPeerServer, type PeerServer } from '../../../src/rpc/peer/port.ts'
import { addRaftService } from '../../../src/rpc/peer/raft-service.ts'
import { EXCHANGE, encodeBody, encodeHandshake } from '../../../src/rpc/peer/wire.ts'
import { ManualEnv } from '../../storage/manual-env.ts'
import { type RawCall, RawClient } from '../bounds/raw-client.ts'

const ROOM = 4
const MIB = 2 ** 20
const LIE = 66
let env: ManualEnv
let server: PeerServer
let port: number
let frames: number[]
/** Until when every frame has to wait. */
let wait: Promise<void> | undefined
const closers: (() => void)[] = []

beforeEach(async () => {
  env = new ManualEnv()
  server = createPeerServer(env, { connections: PEER_CONNECTIONS_PER_NODE_MAX + ROOM, unfinishedBytes: ROOM * MIB })
  closers.push(() => server.close())
  frames = []
  wait = undefined
  const receiver = {
    frame: (_: NodeId, frame: Uint8Array) => {
      if (frame[0] === LIE) throw violation('frame', 'it is a lie')
      frames.push(frame[0] ?? 0)
      return wait
    },
    snapshot: async () => undefined,
    peerDown: () => undefined,
  }
  const options = { clusterId: () => 'c1', node: () => 2, knows: () => true, receiver: () => receiver }
  addRaftService(server.services, { ...options, connections: server.connections })
  addFormationService(server.services, server.connections, () => undefined)
  port = await server.listen('127.0.0.1:0')
})

afterEach(() => {
  for (const close of closers.splice(0).reverse()) close()
})

function guest(): RawClient {
  const client = new RawClient(port)
  closers.push(() => client.close())
  return client
}

/** An exchange in the name of `from`, once it was admitted. */
async function exchange(client: RawClient, from: NodeId): Promise<RawCall> {
  const metadata = encodeHandshake({ clusterId: 'c1', from, to: 2 })
  const headers = Object.entries(metadata.getMap()).map(([name, value]) => [name, String(value)])
  const call = client.call(EXCHANGE.path, Object.fromEntries(headers))
  const answered = new Promise((resolve) => call.stream.once('response', resolve))
  const closed = client.closed.then(() => expect.unreachable('its connection was closed'))
  // Closed it will be, at the end.
  closed.catch(() => undefined)
  await Promise.race([answered, closed])
  return call
}

function say(call: RawCall, what: number, bytes = 1): void {
  const body = encodeBody(new Uint8Array(bytes).fill(what))
  call.begin(body.byteLength, body)
}

/** Asks without a handshake. */
function ask(client: RawClient, path: string): Promise<string> {
  const call = client.call(path)
  call.begin(0, new Uint8Array(0))
  call.stream.end()
  return call.outcome
}

/** Connected, and says nothing. */
async function stranger(): Promise<{ socket: Socket; closed: Promise<void> }> {
  const socket = connect(port, '127.0.0.1')
  closers.push(() => socket.destroy())
  socket.on('error', () => undefined).resume()
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await Promise.race([new Promise((resolve) => socket.once('connect', resolve)), closed])
  return { socket, closed }
}

test('a violation is refused, and ends the connection with all that is open on it', async () => {
  const liar = guest()
  const [first, second] = [await exchange(liar, 1), await exchange(liar, 1)]
  say(first, LIE)
  first.stream.end()
  expect(await first.outcome).toBe('INVALID')
  say(second, 1)
  expect(await ask(liar, EXCHANGE.path)).not.toBe('OK')
  expect(frames).toEqual([])
  env.advance(1_000)
  await liar.closed
  say(await exchange(guest(), 1), 3)
  await heard(3)
})

/** `what` arrived. */
async function heard(what: number): Promise<void> {
  while (!frames.includes(what)) await new Promise((resolve) => setImmediate(resolve))
}

test('who does not say in time who it is is cut off, and who did stays', async () => {
  const peer = guest()
  const admitted = await exchange(peer, 1)
  const [silent, refused, asking] = [await stranger(), guest(), guest()]
  expect(await ask(refused, EXCHANGE.path)).not.toBe('OK')
  env.advance(PEER_HANDSHAKE_MS_MAX - 1)
  await ask(asking, '/sandglass.v1.Formation/Exchange')
  env.advance(1)
  await silent.closed
  await refused.closed
  expect(asking.session.destroyed).toBe(false)
  env.advance(PEER_HANDSHAKE_MS_MAX - 1)
  await asking.closed
  say(admitted, 7)
  await heard(7)
})

test('however many strangers connect, peers stay and new ones get in', async () => {
  const admitted = await exchange(guest(), 1)
  const first = await stranger()
  for (let i = 0; i < 2 * (PEER_CONNECTIONS_PER_NODE_MAX + ROOM); i++) await stranger()
  say(await exchange(guest(), 3), 9)
  await first.closed
  await heard(9)
  say(admitted, 8)
  await heard(8)
})

test('what a peer begins and does not end takes no more than its bound, and another is heard beside it', async () => {
  const other = await exchange(guest(), 3)
  const liar = guest()
  const calls: RawCall[] = []
  for (let i = 0; i < 2 * ROOM; i++) {
    const call = await exchange(liar, 1)
    call.begin(ROOM * MIB, new Uint8Array(MIB))
    calls.push(call)
  }
  expect(await calls[0]?.outcome).toBe('OVERLOADED')
  expect(server.stats().unfinishedBytes).toBeLessThanOrEqual(ROOM * MIB)
  say(other, 2)
  await heard(2)
})

test('frames that wait to be taken are within the same bound, and count no more once they are taken', async () => {
  let take: () => void = () => undefined
  wait = new Promise((resolve) => {
    take = resolve
  })
  const hasty = await exchange(guest(), 1)
  const other = await exchange(guest(), 3)
  say(other, 1, MIB)
  await heard(1)
  for (let i = 0; i < 2 * ROOM; i++) say(hasty, 4, MIB)
  expect(await hasty.outcome).toBe('OVERLOADED')
  expect(server.stats().unfinishedBytes).toBeLessThanOrEqual(ROOM * MIB)
  take()
  wait = undefined
  say(other, 5)
  await heard(5)
  // The headers of one call stay.
  while (server.stats().unfinishedBytes > 1024) await new Promise((resolve) => setImmediate(resolve))
})

test('of one node the oldest connections give way to new ones', async () => {
  const other = await exchange(guest(), 3)
  const guests = Array.from({ length: PEER_CONNECTIONS_PER_NODE_MAX + 1 }, () => guest())
  for (const client of guests) await exchange(client, 1)
  await guests[0]?.closed
  expect(guests.slice(1).filter(({ session }) => session.destroyed)).toEqual([])
  say(other, 5)
  await heard(5)
})

test('whoever is admitted just now does not give way, though its connection is the oldest: a session must not end in its own read', async () => {
  const first = guest()
  // It is connected before all others, and asks after them.
  await ask(first, '/sandglass.v1.Formation/Exchange')
  const guests = Array.from({ length: PEER_CONNECTIONS_PER_NODE_MAX }, () => guest())
  for (const client of guests) await exchange(client, 1)
  const admitted = await exchange(first, 1)
  await guests[0]?.closed
  say(admitted, 6)
  await heard(6)
})

test('however many of one node are admitted at once, no more of them stay', async () => {
  const connections = new Connections(1_000)
  const tracked = new TrackedConnections(env, connections)
  const accepted: Socket[] = []
  const count = 2 * PEER_CONNECTIONS_PER_NODE_MAX + 1
  const all = new Promise<void>((resolve) => {
    const listener = new PortListener(connections, (connection) => {
      tracked.begin(connection)
      if (accepted.push(connection.socket) === count) resolve()
    })
    closers.push(() => {
      listener.stop()
      connections.close()
    })
    listener.listen('127.0.0.1:0').then((bound) => {
      for (let i = 0; i < count; i++) {
        const socket = connect(bound, '127.0.0.1').on('error', () => undefined)
        closers.push(() => socket.destroy())
      }
    })
  })
  await all
  // Closed sockets say so only when the turn is over.
  for (const socket of accepted) tracked.admitted(peerOf(socket), 1)
  const stay = accepted.map(({ destroyed }) => !destroyed)
  expect(stay).toEqual(accepted.map((_, i) => i >= count - PEER_CONNECTIONS_PER_NODE_MAX))
})
