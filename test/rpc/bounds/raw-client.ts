/** A client that speaks HTTP/2 and gRPC's framing by hand, so that it can leave undone what a library would do. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2'
import { connect as connectTcp, type Socket } from 'node:net'
import { ERROR_TABLE, type ErrorReason } from '../../../src/base/errors.ts'
import { createErrorCodec, STATUS_DETAILS_KEY } from '../../../src/wire/errors.ts'
import { createClientWire } from '../../../src/wire/wire.ts'

const errors = createErrorCodec(createClientWire())
const OK = '0'

export class RawClient {
  readonly session: ClientHttp2Session
  readonly socket: Socket
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>

  constructor(port: number) {
    // More streams than the server allows wait in the session.
    this.socket = connectTcp(port, '127.0.0.1')
    this.session = connect(`http://127.0.0.1:${port}`, {
      peerMaxConcurrentStreams: 1,
      createConnection: () => this.socket,
    })
    this.session.on('error', () => undefined)
    this.closed = new Promise((resolve) => this.session.once('close', resolve))
  }

  call(path: string, headers: Record<string, string> = {}): RawCall {
    return new RawCall(
      this.session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      }),
    )
  }

  close(): void {
    this.session.destroy()
  }
}

export class RawCall {
  readonly stream: ClientHttp2Stream
  /** What the server made of it: OK, a reason, or `reset` if it ended without a status. */
  readonly outcome: Promise<ErrorReason | 'OK' | 'reset'>
  #status: ErrorReason | 'OK' | undefined

  constructor(stream: ClientHttp2Stream) {
    this.stream = stream
    stream.on('error', () => undefined)
    stream.on('response', (headers) => this.#read(headers))
    stream.on('trailers', (headers) => this.#read(headers))
    stream.resume()
    this.outcome = new Promise((resolve) => stream.once('close', () => resolve(this.#status ?? 'reset')))
  }

  /** A message of `length` bytes, of which `bytes` come. */
  begin(length: number, bytes: Uint8Array): void {
    const prefix = Buffer.alloc(5)
    prefix.writeUInt32BE(length, 1)
    this.stream.write(Buffer.concat([prefix, bytes]))
  }

  #read(headers: IncomingHttpHeaders): void {
    const code = headers['grpc-status']
    if (code === undefined) return
    if (code === OK) {
      this.#status = 'OK'
      return
    }
    const details = headers[STATUS_DETAILS_KEY]
    const status = {
      code: Number(code),
      message: decodeURI(String(headers['grpc-message'] ?? '')),
      details: typeof details === 'string' ? Buffer.from(details, 'base64') : undefined,
    }
    const { reason } = errors.fromStatus(status, { mutating: false })
    if (reason in ERROR_TABLE) this.#status = reason
  }
}
