/** A bare gRPC client of the public services, for tests: decoded bodies, no retry, no library. */
import { Client, type ClientDuplexStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import type { SandglassError } from '../../src/base/errors.ts'
import { createErrorCodec, STATUS_DETAILS_KEY } from '../../src/wire/errors.ts'
import type { Body, Messages } from '../../src/wire/messages.ts'
import { SERVICES } from '../../src/wire/messages.ts'
import { createClientWire, type Init, type MessageName } from '../../src/wire/wire.ts'

const wire = createClientWire()
const errors = createErrorCodec(wire)
type M = Messages<Body>

interface Row<Q extends MessageName, R extends MessageName> {
  readonly path: string
  readonly request: Q
  readonly response: R
}

export class ApiClient {
  readonly #client: Client

  constructor(port: number) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  }

  /** Rejects the SandglassError that the status carries. */
  call<Q extends MessageName, R extends MessageName>(
    row: Row<Q, R>,
    request: Init<M[Q]>,
    options: { deadlineMs?: number; forwardedFor?: number; cancelled?: AbortSignal } = {},
  ): Promise<M[R]> {
    const metadata = new Metadata()
    if (options.forwardedFor !== undefined) metadata.set('sandglass-forwarded', String(options.forwardedFor))
    const deadline = Date.now() + (options.deadlineMs ?? 5000)
    return new Promise((resolve, reject) => {
      const { request: q, response: r } = row
      const encode = (message: Init<M[Q]>) => wire.codec(q).encode(message)
      const decode = (bytes: Buffer) => wire.codec(r).decode(bytes) as M[R]
      const about = { deadline }
      const call = this.#client.makeUnaryRequest(
        row.path,
        encode,
        decode,
        request,
        metadata,
        about,
        (error, response) => {
          if (error !== null) reject(fromStatus(error))
          else if (response !== undefined) resolve(response)
        },
      )
      options.cancelled?.addEventListener('abort', () => call.cancel())
    })
  }

  produceStream(): TestStream<M['ProduceFrame'], M['ProduceAnswer']> {
    return new TestStream(this.#client, SERVICES.Queue.ProduceStream)
  }

  consume(): TestStream<M['ConsumeRequest'], M['ConsumeResponse']> {
    return new TestStream(this.#client, SERVICES.Queue.Consume)
  }

  /** Bytes for bytes, for services that are not ours. */
  raw(path: string, request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(path, same, same, request, (error, response) => {
        if (error !== null) reject(error)
        else resolve(response ?? Buffer.alloc(0))
      })
    })
  }

  /** One request in, the first answer out. */
  rawStream(path: string, request: Buffer): Promise<Buffer> {
    const stream = this.#client.makeBidiStreamRequest(path, same, same, new Metadata())
    stream.write(request)
    return new Promise((resolve, reject) => {
      stream.on('error', reject)
      stream.once('data', (answer: Buffer) => {
        resolve(answer)
        stream.end()
      })
    })
  }

  close(): void {
    this.#client.close()
  }
}

export class TestStream<Q, R> {
  readonly received: R[] = []
  readonly #stream: ClientDuplexStream<Init<Q> | Buffer, R>
  #waiters: (() => void)[] = []
  ended = false
  /** What the status said, if not OK. */
  error: SandglassError | undefined

  constructor(client: Client, row: Row<MessageName, MessageName>) {
    const request = wire.codec(row.request)
    const response = wire.codec(row.response)
    this.#stream = client.makeBidiStreamRequest<Init<Q> | Buffer, R>(
      row.path,
      (message) => (Buffer.isBuffer(message) ? message : request.encode(message as never)),
      (bytes) => response.decode(bytes) as R,
      new Metadata(),
    )
    this.#stream.on('data', (message: R) => {
      this.received.push(message)
      this.#wake()
    })
    const over = () => {
      this.ended = true
      this.#wake()
    }
    this.#stream.on('end', over)
    this.#stream.on('error', (error: ServiceError) => {
      this.error = fromStatus(error)
      over()
    })
  }

  write(message: Init<Q>): void {
    this.#stream.write(message)
  }

  /** A frame as it is, which may be none. */
  writeBytes(bytes: Buffer): void {
    this.#stream.write(bytes)
  }

  halfClose(): void {
    this.#stream.end()
  }

  cancel(): void {
    this.#stream.cancel()
  }

  /** The first message, already received or to come, for which `pick` gives something. */
  async next<T>(pick: (message: R) => T | null | undefined): Promise<T> {
    for (;;) {
      for (const [i, message] of this.received.entries()) {
        const picked = pick(message)
        if (picked === null || picked === undefined) continue
        this.received.splice(i, 1)
        return picked
      }
      if (this.ended) throw new Error('the stream ended without it')
      await new Promise<void>((resolve) => this.#waiters.push(resolve))
    }
  }

  async over(): Promise<void> {
    while (!this.ended) await new Promise<void>((resolve) => this.#waiters.push(resolve))
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const resolve of waiters) resolve()
  }
}

function same(bytes: Buffer): Buffer {
  return bytes
}

function fromStatus(error: ServiceError): SandglassError {
  const details = error.metadata.get(STATUS_DETAILS_KEY)[0]
  const status = { code: error.code, message: error.details, details: Buffer.isBuffer(details) ? details : undefined }
  return errors.fromStatus(status, { mutating: true })
}
