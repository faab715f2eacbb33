/**
 * Between grpc-js and the services: decodes requests, gives each call its deadline, turns errors into statuses with
 * ErrorInfo, and tells how each call ended. Requests and responses are bytes to grpc-js, so that they can be passed on as
 * they are.
 */
import {
  Metadata,
  type MethodDefinition,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import type { Env } from '../base/env.ts'
import { invalid } from '../base/errors.ts'
import { type ErrorCodec, STATUS_DETAILS_KEY } from '../wire/errors.ts'
import { type Messages, SERVICES } from '../wire/messages.ts'
import type { Codec, Init } from '../wire/wire.ts'
import type { ApiServerOptions } from './api-types.ts'
import { callUnder } from './bounds/bounded-call.ts'
import { FORWARDED_KEY } from './node-channels.ts'
import type { CallContext, ServiceContext } from './service-context.ts'

export type RawDuplex = ServerDuplexStream<Buffer, Buffer>

/** Answers with a message, or with the bytes another node answered. */
type Unary<Q, R> = (request: Q, call: CallContext) => Promise<Init<R> | Buffer>

type ServiceName = keyof typeof SERVICES
type Rows<S extends ServiceName> = (typeof SERVICES)[S]
type M = Messages<Uint8Array>

/** One handler a method of the service: a function of the request, or of the stream. */
export type Handlers<S extends ServiceName> = {
  readonly [K in keyof Rows<S>]: Rows<S>[K] extends {
    readonly requestStream: false
    readonly request: infer Q extends keyof M
    readonly response: infer R extends keyof M
  }
    ? Unary<M[Q], M[R]>
    : (stream: RawDuplex, forwarded: boolean) => void
}

const OK = 0

/** The methods of a service as grpc-js sees them: bytes in, bytes out. */
export function bytesDefinition(service: ServiceName): ServiceDefinition {
  const definition: Record<string, MethodDefinition<Buffer, Buffer>> = {}
  for (const [name, { path, requestStream, responseStream }] of Object.entries<MethodRow>(SERVICES[service])) {
    definition[name] = {
      ...{ path, requestStream, responseStream },
      ...{ requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same },
    }
  }
  return definition
}

/** Joins handlers with grpc-js. */
export function grpcService<S extends ServiceName>(
  service: S,
  handlers: Handlers<S>,
  context: ServiceContext,
  onCall: ApiServerOptions['onCall'],
): UntypedServiceImplementation {
  const implementation: UntypedServiceImplementation = {}
  const byName: Readonly<Record<string, unknown>> = handlers
  for (const [name, row] of Object.entries<MethodRow>(SERVICES[service])) {
    const done = callTimer(name, context.env, onCall)
    implementation[name] = row.requestStream
      ? streaming(byName[name] as StreamHandler, context, done)
      : unary(byName[name] as Unary<unknown, unknown>, row, context, done)
  }
  return implementation
}

interface MethodRow {
  readonly path: string
  readonly request: keyof M
  readonly response: keyof M
  readonly requestStream: boolean
  readonly responseStream: boolean
}

type StreamHandler = (stream: RawDuplex, forwarded: boolean) => void
/** Begins a call; the function it gives ends it with a gRPC code. */
type Begin = () => (code: number) => void

function callTimer(method: string, env: Env, onCall: ApiServerOptions['onCall']): Begin {
  return () => {
    const begun = env.monoMs()
    return (code) => onCall?.(method, code, env.monoMs() - begun)
  }
}

function unary(handler: Unary<unknown, unknown>, row: MethodRow, context: ServiceContext, begin: Begin) {
  const { env, errors, wire } = context
  const request: Codec<unknown> = wire.codec(row.request)
  const response: Codec<unknown> = wire.codec(row.response)
  return (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
    const end = begin()
    const deadline = env.monoMs() + Number(call.getDeadline()) - env.wallMs()
    const about: CallContext = {
      deadline,
      forwardedFor: forwardedFor(call.metadata),
      raw: call.request,
      path: row.path,
      onCancel: (listener) => onCancel(call, listener),
      wanted: () => !call.cancelled && env.monoMs() < deadline,
    }
    const answer = async () => {
      const answered = await handler(decoded(request, call.request), about)
      return Buffer.isBuffer(answered) ? answered : response.encode(answered as Init<unknown>)
    }
    answer().then(
      (bytes) => {
        end(OK)
        callback(null, bytes)
      },
      (error: unknown) => {
        const failed = statusOf(errors, error)
        end(failed.code)
        callback(failed)
      },
    )
  }
}

/** A request may be passed on to as many nodes as it concerns: no number of listeners is suspicious. */
function onCancel(call: ServerUnaryCall<Buffer, Buffer>, listener: () => void): void {
  if (call.cancelled) listener()
  else call.setMaxListeners(0).once('cancelled', listener)
}

function streaming(handler: StreamHandler, context: ServiceContext, begin: Begin) {
  return (stream: RawDuplex) => {
    const end = begin()
    stream.once('close', () => end(stream.cancelled ? status.CANCELLED : OK))
    const call = callUnder(stream)
    stream.on('data', (frame: Buffer) => call?.taken(frame))
    try {
      handler(stream, forwardedFor(stream.metadata) !== undefined)
    } catch (error) {
      failStream(stream, context, error)
    }
  }
}

/** Ends a stream with the status of `error`. What is not a SandglassError is INTERNAL. */
export function failStream(stream: RawDuplex, { errors }: Pick<ServiceContext, 'errors'>, error: unknown): void {
  const { code, details, metadata } = statusOf(errors, error)
  // grpc-js takes the status of a stream from its error event.
  stream.emit('error', Object.assign(new Error(details), { code, details, metadata }))
}

/** Answers a call that no handler has seen with the status of `error`. */
export function failUnary(callback: sendUnaryData<Buffer>, errors: ErrorCodec, error: unknown): void {
  callback(statusOf(errors, error))
}

/** Bad bytes are the client's mistake. */
export function decoded<T>(codec: Codec<T>, bytes: Buffer): T {
  try {
    return codec.decode(bytes)
  } catch (cause) {
    throw invalid(
      codec.fault(bytes).field,
      `Cannot read the request: ${cause instanceof Error ? cause.message : 'malformed'}`,
    )
  }
}

interface Failed {
  readonly code: number
  readonly details: string
  readonly metadata: Metadata
}

/** With ErrorInfo. */
export function statusOf(errors: ErrorCodec, error: unknown): Failed {
  const { code, message, details } = errors.toStatus(error)
  const metadata = new Metadata()
  metadata.set(STATUS_DETAILS_KEY, details)
  return { code, details: message, metadata }
}

function forwardedFor(metadata: Metadata): number | undefined {
  const [partition] = metadata.get(FORWARDED_KEY)
  return partition === undefined ? undefined : Number(partition)
}

function same(bytes: Buffer): Buffer {
  return bytes
}
