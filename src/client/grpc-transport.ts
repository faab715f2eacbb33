// The network under the client: one grpc-js channel an address, opened on first use.
import * as grpc from '@grpc/grpc-js'
import { invalid, SandglassError } from '../base/errors.ts'
import { FRAME_BYTES_MAX } from '../base/limits.ts'
import { DIRECT, targetOf } from '../wire/channels.ts'
import { createErrorCodec, type ErrorCodec, STATUS_DETAILS_KEY } from '../wire/errors.ts'
import type { ServiceName } from '../wire/services.ts'
import { type MethodShape, serviceDefinition } from '../wire/services.ts'
import { createClientWire } from '../wire/wire.ts'
import { checkObject } from './checks.ts'
import type { Link, LinkEvents, Transport } from './transport.ts'

export interface TlsOptions {
  /** PEM. Absent: the system's roots. */
  readonly rootCerts?: Buffer
  /** PEM, both or none: the client's own identity. */
  readonly privateKey?: Buffer
  readonly certChain?: Buffer
}

export interface GrpcOptions {
  readonly tls?: boolean | TlsOptions | undefined
  /** Sent as `authorization: Bearer ...`. */
  readonly token?: string | undefined
}

/** Throws INVALID. */
export function checkCredentials({ tls, token }: GrpcOptions): void {
  if (token !== undefined && !(typeof token === 'string' && PRINTABLE.test(token))) {
    throw invalid('token', 'Cannot take token: not printable ASCII text')
  }
  if (tls === undefined || typeof tls === 'boolean') return
  checkObject(tls, 'tls')
  for (const name of ['rootCerts', 'privateKey', 'certChain'] as const) {
    if (tls[name] !== undefined && !Buffer.isBuffer(tls[name]))
      throw invalid(`tls.${name}`, `Cannot take ${name}: not PEM in a Buffer`)
  }
  if ((tls.privateKey === undefined) !== (tls.certChain === undefined)) {
    throw invalid('tls', 'Cannot take tls: privateKey and certChain go together')
  }
}

const PRINTABLE = /^[\x20-\x7e]*$/

/** A Transport over real connections. */
export function createGrpcTransport(options: GrpcOptions): Transport {
  const wire = createClientWire()
  const errors = createErrorCodec(wire)
  const services: Readonly<Record<ServiceName, Readonly<Record<string, MethodShape>>>> = {
    Topics: serviceDefinition(wire, 'Topics'),
    Queue: serviceDefinition(wire, 'Queue'),
    Cluster: serviceDefinition(wire, 'Cluster'),
  }
  const channels = new Channels(options)

  function shape(service: ServiceName, method: string): MethodShape {
    const found = services[service][method]
    if (found === undefined) throw new SandglassError('UNSUPPORTED', `Cannot call ${service}.${method}: not known`)
    return found
  }

  return {
    call: (addr, service, method, request, { timeoutMs, mutating }) =>
      new Promise((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = shape(service, String(method))
        const deadline = Date.now() + timeoutMs
        const done = (error: grpc.ServiceError | null, response?: unknown): void => {
          if (error !== null) reject(fromGrpc(errors, error, mutating))
          // The codec of this method decoded it.
          else resolve(response as never)
        }
        const client = channels.client(addr)
        client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          channels.metadata(),
          { deadline },
          done,
        )
      }),
    produce: (addr, events) => {
      const ended = (error: grpc.ServiceError): SandglassError => fromGrpc(errors, error, true)
      return openLink(channels.open(addr, shape('Queue', 'ProduceStream')), events, ended)
    },
    consume: (addr, events) => {
      const ended = (error: grpc.ServiceError): SandglassError => fromGrpc(errors, error, false)
      return openLink(channels.open(addr, shape('Queue', 'Consume')), events, ended)
    },
    close: () => channels.close(),
  }
}

const CHANNEL_OPTIONS = {
  ...DIRECT,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.max_receive_message_length': FRAME_BYTES_MAX * 2,
  'grpc.max_send_message_length': FRAME_BYTES_MAX * 2,
  'grpc-node.flow_control_window': 2 ** 21,
  'grpc.use_local_subchannel_pool': 1,
} as const

class Channels {
  readonly #credentials: grpc.ChannelCredentials
  readonly #metadata = new grpc.Metadata()
  readonly #clients = new Map<string, grpc.Client>()
  #closed = false

  constructor(options: GrpcOptions) {
    this.#credentials = credentialsOf(options.tls)
    if (options.token !== undefined) this.#metadata.set('authorization', `Bearer ${options.token}`)
  }

  metadata(): grpc.Metadata {
    return this.#metadata.clone()
  }

  client(addr: string): grpc.Client {
    if (this.#closed) throw new SandglassError('SHUTTING_DOWN', 'Cannot call: the client is closed')
    let client = this.#clients.get(addr)
    if (client === undefined) {
      client = new grpc.Client(targetOf(addr), this.#credentials, CHANNEL_OPTIONS)
      this.#clients.set(addr, client)
    }
    return client
  }

  open(
    addr: string,
    { path, requestSerialize, responseDeserialize }: MethodShape,
  ): grpc.ClientDuplexStream<object, unknown> {
    return this.client(addr).makeBidiStreamRequest(path, requestSerialize, responseDeserialize, this.metadata(), {})
  }

  close(): void {
    this.#closed = true
    for (const client of this.#clients.values()) client.close()
    this.#clients.clear()
  }
}

function credentialsOf(tls: GrpcOptions['tls']): grpc.ChannelCredentials {
  if (tls === undefined || tls === false) return grpc.credentials.createInsecure()
  if (tls === true) return grpc.credentials.createSsl()
  return grpc.credentials.createSsl(tls.rootCerts ?? null, tls.privateKey ?? null, tls.certChain ?? null)
}

function openLink<In, Out extends object>(
  stream: grpc.ClientDuplexStream<object, unknown>,
  events: LinkEvents<In>,
  errorOf: (error: grpc.ServiceError) => SandglassError,
): Link<Out> {
  let over = false
  const ended = (error: grpc.ServiceError): void => {
    if (over) return
    over = true
    events.ended(errorOf(error))
  }
  stream.on('data', (message: In) => {
    if (!over) events.message(message)
  })
  stream.on('error', ended)
  stream.on('status', (status: grpc.StatusObject) => {
    // Ended by the peer in good order: for what waits here, no better than a lost connection.
    if (status.code === grpc.status.OK) {
      const code = grpc.status.UNAVAILABLE
      ended(
        Object.assign(new Error('the stream ended'), { code, details: 'the stream ended', metadata: status.metadata }),
      )
    }
  })
  return {
    send: (message) => {
      if (!over) stream.write(message)
    },
    finish: () => {
      if (!over) stream.end()
    },
    cancel: () => {
      over = true
      stream.cancel()
    },
  }
}

function fromGrpc(errors: ErrorCodec, error: grpc.ServiceError, mutating: boolean): SandglassError {
  const [details] = error.metadata?.get(STATUS_DETAILS_KEY) ?? []
  const bytes = Buffer.isBuffer(details) ? details : undefined
  return errors.fromStatus({ code: error.code, message: error.details, details: bytes }, { mutating })
}
