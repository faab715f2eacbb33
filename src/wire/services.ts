// Service definitions in the shape grpc-js takes (`grpc.ServiceDefinition`), without importing it: rpc/ and client/ do.
import { type Body, type Messages, SERVICES } from './messages.ts'
import type { MessageName, Wire } from './wire.ts'

export type ServiceName = keyof typeof SERVICES
export type MethodName<S extends ServiceName> = keyof (typeof SERVICES)[S]

/** What a method takes and answers. `B`: as in Messages. */
export type RequestOf<S extends ServiceName, M extends MethodName<S>, B = Body> = Part<S, M, 'request', B>
export type ResponseOf<S extends ServiceName, M extends MethodName<S>, B = Body> = Part<S, M, 'response', B>
type Part<S extends ServiceName, M extends MethodName<S>, P extends string, B> = (typeof SERVICES)[S][M] extends {
  readonly [K in P]: infer N extends MessageName
}
  ? Messages<B>[N]
  : never

export interface MethodShape {
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
  readonly requestSerialize: (message: object) => Buffer
  readonly requestDeserialize: (bytes: Buffer) => unknown
  readonly responseSerialize: (message: object) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => unknown
}

/** All methods of a service, by name. */
export function serviceDefinition<S extends ServiceName, B>(
  wire: Wire<B>,
  service: S,
): { readonly [M in MethodName<S>]: MethodShape } {
  const rows: Readonly<Record<string, MethodRow>> = SERVICES[service]
  const methods = Object.entries(rows).map(([name, row]) => [name, methodShape(wire, row)])
  return Object.fromEntries(methods)
}

interface MethodRow {
  readonly path: string
  readonly request: MessageName
  readonly response: MessageName
  readonly requestStream: boolean
  readonly responseStream: boolean
}

function methodShape<B>(wire: Wire<B>, row: MethodRow): MethodShape {
  const request = wire.codec(row.request)
  const response = wire.codec(row.response)
  return {
    path: row.path,
    requestStream: row.requestStream,
    responseStream: row.responseStream,
    requestSerialize: (message) => request.encode(message),
    requestDeserialize: (bytes) => request.decode(bytes),
    responseSerialize: (message) => response.encode(message),
    responseDeserialize: (bytes) => response.decode(bytes),
  }
}
