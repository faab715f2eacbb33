/** Where the connections of this house go: to the address, whatever proxy the environment names. */
import { EventEmitter, once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { Client, credentials } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { realEnv } from '../../src/base/real-env.ts'
import { createGrpcTransport } from '../../src/client/grpc-transport.ts'
import { createControlClient } from '../../src/rpc/control/client.ts'
import { createFormationTransport } from '../../src/rpc/formation/client.ts'
import { createNodeChannels } from '../../src/rpc/node-channels.ts'
import { createPeerTransport } from '../../src/rpc/peer/transport.ts'
import { DIRECT, targetOf } from '../../src/wire/channels.ts'

const env = realEnv()
const went = new EventEmitter()
let node: Server
let proxy: Server
let address = ''

async function listening(name: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => 'the other side was quicker')
    socket.destroy()
    went.emit('to', name)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

const addressOf = (server: Server) => `127.0.0.1:${(server.address() as AddressInfo).port}`

beforeEach(async () => {
  node = await listening('node')
  proxy = await listening('proxy')
  address = addressOf(node)
  for (const name of ['http_proxy', 'https_proxy', 'grpc_proxy']) vi.stubEnv(name, `http://${addressOf(proxy)}`)
  for (const name of ['no_proxy', 'no_grpc_proxy']) vi.stubEnv(name, '')
})

afterEach(() => {
  vi.unstubAllEnvs()
  node.close()
  proxy.close()
})

const HELLO = { version: 1, from: 'n1', boot: 'b', toBoot: '', members: [], state: 'empty', clusterId: '' } as const

/** Each begins to connect and gives what ends it. What becomes of the call is no matter here. */
const OPENERS: Record<string, () => () => void> = {
  'the client library and sandctl': () => {
    const transport = createGrpcTransport({})
    transport
      .call(address, 'Cluster', 'ListNodes', {}, { timeoutMs: 5000, mutating: false })
      .catch(() => 'nobody answers')
    return () => transport.close()
  },
  'a forwarded request': () => {
    const channels = createNodeChannels(env)
    const about = { partition: 0, deadline: env.monoMs() + 5000, onCancel: () => undefined }
    const info = { id: 2, name: 'n2', grpc: address, http: '', raft: '', version: '', alive: true }
    channels.unary(info, '/a/b', Buffer.alloc(0), about).catch(() => 'nobody answers')
    return () => channels.close()
  },
  formation: () => {
    const transport = createFormationTransport()
    transport.exchange(address, HELLO, 5000).catch(() => 'nobody answers')
    return () => transport.close()
  },
  'a control call': () => {
    const control = createControlClient({ clusterId: 'c', node: 1, address: () => address })
    control.readIndex(2, 5000).catch(() => 'nobody answers')
    return () => control.close()
  },
  'a Raft message': () => {
    const transport = createPeerTransport({ env, clusterId: 'c', node: 1, peers: () => new Map([[2, address]]) })
    transport.send(2, 'control', new Uint8Array(8))
    return () => transport.close()
  },
  'a snapshot': () => {
    const transport = createPeerTransport({ env, clusterId: 'c', node: 1, peers: () => new Map([[2, address]]) })
    const stream = { header: new Uint8Array(8), next: async () => undefined, close: async () => undefined }
    transport.sendSnapshot(2, 1, stream).catch(() => 'nobody answers')
    return () => transport.close()
  },
}

describe('with a proxy in the environment', () => {
  test.each(Object.entries(OPENERS))('%s goes to the node', async (_what, open) => {
    const first = once(went, 'to')
    const close = open()
    expect(await first).toEqual(['node'])
    close()
  })
})

test('a host that is called as a scheme of gRPC is a host', () => {
  const client = new Client(targetOf('unix:7170'), credentials.createInsecure(), DIRECT)
  expect(client.getChannel().getTarget()).toBe('dns:unix:7170')
  client.close()
})
