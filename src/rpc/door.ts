/**
 * Stands before the services from the moment the public port is bound, which is before they exist: until they do, whoever
 * calls hears at once what this node waits for, and asks another.
 */
import type { ServerUnaryCall, sendUnaryData, UntypedServiceImplementation } from '@grpc/grpc-js'
import { SandglassError } from '../base/errors.ts'
import type { ErrorCodec } from '../wire/errors.ts'
import { SERVICES } from '../wire/messages.ts'
import { failStream, failUnary, type RawDuplex } from './calls.ts'

type Service = keyof typeof SERVICES
type Open = Readonly<Record<Service, UntypedServiceImplementation>>
type UnaryHandler = (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => void
type StreamHandler = (stream: RawDuplex) => void

export class Door {
  readonly #errors: ErrorCodec
  readonly #starting: () => string
  #open: Open | undefined

  /** `starting`: what the node waits for, in words. */
  constructor(errors: ErrorCodec, starting: () => string) {
    this.#errors = errors
    this.#starting = starting
  }

  /** From now on calls reach the services. */
  open(services: Open): void {
    this.#open = services
  }

  /** What the server is given as the service. */
  before(service: Service): UntypedServiceImplementation {
    const implementation: UntypedServiceImplementation = {}
    for (const [method, { requestStream }] of Object.entries(SERVICES[service])) {
      implementation[method] = requestStream ? this.#stream(service, method) : this.#unary(service, method)
    }
    return implementation
  }

  #unary(service: Service, method: string): UnaryHandler {
    return (call, callback) => {
      const handler = this.#open?.[service][method] as UnaryHandler | undefined
      if (handler === undefined) failUnary(callback, this.#errors, this.#refusal())
      else handler(call, callback)
    }
  }

  #stream(service: Service, method: string): StreamHandler {
    return (stream) => {
      const handler = this.#open?.[service][method] as StreamHandler | undefined
      if (handler === undefined) failStream(stream, { errors: this.#errors }, this.#refusal())
      else handler(stream)
    }
  }

  #refusal(): SandglassError {
    return new SandglassError('UNREACHABLE', `Cannot serve yet: ${this.#starting()}`)
  }
}
