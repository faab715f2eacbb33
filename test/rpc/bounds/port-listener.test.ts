import { connect, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { type Connection, Connections } from '../../../src/rpc/bounds/connections.ts'
import { PortListener } from '../../../src/rpc/bounds/port-listener.ts'

const opened: Socket[] = []
let listener: PortListener
let connections: Connections
afterEach(() => {
  for (const socket of opened.splice(0)) socket.destroy()
  listener.stop()
  connections.close()
})

interface Guest {
  readonly socket: Socket
  readonly closed: Promise<void>
  readonly taken: Connection
}

/** Three at a time. Each guest is connected before the next. */
async function port(): Promise<() => Promise<Guest>> {
  let onTaken: (connection: Connection) => void = () => undefined
  connections = new Connections(3)
  listener = new PortListener(connections, (connection) => {
    connection.socket.on('error', () => undefined)
    onTaken(connection)
  })
  const number = await listener.listen('127.0.0.1:0')
  return async () => {
    const waiting = new Promise<Connection>((resolve) => {
      onTaken = resolve
    })
    const socket = connect(number, '127.0.0.1')
    opened.push(socket)
    socket.on('error', () => undefined)
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    const connection = await Promise.race([waiting, closed])
    if (connection === undefined) throw new Error('refused')
    return { socket, closed, taken: connection }
  }
}

test('at the bound the oldest that never asked for anything gives way, then one that is not served', async () => {
  const enter = await port()
  const [used, serving, silent] = [await enter(), await enter(), await enter()]
  used.taken.used = true
  Object.assign(serving.taken, { used: true, serving: 1 })
  await enter()
  await silent.closed
  const fourth = await enter()
  expect(connections.size).toBe(3)
  Object.assign(fourth.taken, { used: true, serving: 1 })
  await enter()
  await used.closed
  expect(connections.size).toBe(3)
  expect(serving.socket.destroyed).toBe(false)
})

test('a newcomer is closed at once when all others are served', async () => {
  const enter = await port()
  for (let i = 0; i < 3; i++) Object.assign((await enter()).taken, { used: true, serving: 1 })
  await expect(enter()).rejects.toThrow('refused')
  expect(connections.size).toBe(3)
})

test('a connection that ends makes room, and a closed port takes none', async () => {
  const enter = await port()
  const first = await enter()
  first.socket.destroy()
  await first.closed
  while (connections.size > 0) await new Promise((resolve) => setImmediate(resolve))
  const second = await enter()
  listener.stop()
  connections.close()
  await second.closed
  await expect(enter()).rejects.toThrow('refused')
  expect(connections.size).toBe(0)
})
