/**
 * The HTTP side port: /metrics for Prometheus, /livez (the event loop turns), /readyz (this node can serve). Plain
 * node:http; GET and HEAD only, everything else is refused.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { SIDE_CONNECTIONS_MAX } from '../../base/limits.ts'
import { type Connection, Connections, peerOf } from '../../rpc/bounds/connections.ts'

export interface SidePort {
  /** The port listened on (chosen by the system when 0 was asked for). */
  readonly port: number
  close(): Promise<void>
}

export interface Probes {
  /** The answer in pieces. */
  metrics(): Promise<readonly string[]>
  /** Why this node is not ready; empty when it is. */
  notReady(): readonly string[]
}

const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export interface SideBounds {
  readonly connections: number
  /** Until a request is there whole, and between two looks at who is late. */
  readonly requestMs: number
  readonly checkMs: number
}

const BOUNDS: SideBounds = { connections: SIDE_CONNECTIONS_MAX, requestMs: 10_000, checkMs: 2000 }

/** Rejects with the listen error (EADDRINUSE, ...). */
export async function openSidePort(
  host: string,
  port: number,
  probes: Probes,
  { connections: max, requestMs, checkMs } = BOUNDS,
): Promise<SidePort> {
  const connections = new Connections(max)
  const server = createServer({ requestTimeout: requestMs, connectionsCheckingInterval: checkMs })
  server.prependListener('connection', (socket: Socket) => connections.add(socket))
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    serving(connections.of(peerOf(request.socket)), response)
    answer(request, response, probes).catch((error: unknown) => {
      if (!response.headersSent) send(response, 500, `${error instanceof Error ? error.message : String(error)}\n`)
      else response.destroy()
    })
  })
  await listen(server, host, port)
  const address = server.address()
  return {
    port: address !== null && typeof address === 'object' ? address.port : port,
    close: () => close(server),
  }
}

function serving(connection: Connection | undefined, response: ServerResponse): void {
  if (connection === undefined) return
  connection.used = true
  connection.serving += 1
  response.once('close', () => {
    connection.serving -= 1
  })
}

async function answer(request: IncomingMessage, response: ServerResponse, probes: Probes): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'GET only\n')
  const path = (request.url ?? '').split('?')[0]
  if (path === '/livez') return send(response, 200, 'ok\n')
  if (path === '/readyz') {
    const reasons = probes.notReady()
    return send(response, reasons.length === 0 ? 200 : 503, `${reasons.join('\n') || 'ok'}\n`)
  }
  if (path === '/metrics') return sendPieces(response, await probes.metrics())
  return send(response, 404, 'paths: /metrics /livez /readyz\n')
}

function send(response: ServerResponse, status: number, body: string): void {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(body) }
  response.writeHead(status, headers)
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

/** As fast as the other end takes them. */
async function sendPieces(response: ServerResponse, pieces: readonly string[]): Promise<void> {
  response.writeHead(200, { 'content-type': METRICS_TYPE })
  await pipeline(Readable.from(response.req.method === 'HEAD' ? [] : pieces), response)
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error === undefined ? resolve() : reject(error)))
    server.closeAllConnections()
  })
}
