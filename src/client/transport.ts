// What the client's logic asks of the network. grpc-transport.ts is the real one; tests give a scripted one.
import type { SandglassError } from '../base/errors.ts'
import type { ConsumeRequest, ConsumeResponse, ProduceAnswer, ProduceFrame } from '../wire/messages.ts'
import type { MethodName, RequestOf, ResponseOf, ServiceName } from '../wire/services.ts'
import type { Init } from '../wire/wire.ts'

interface CallOptions {
  readonly timeoutMs: number
  /** May change something: without an answer its outcome is unknown. */
  readonly mutating: boolean
}

/** One side of a stream that is open, or opening. */
export interface Link<Out> {
  /** Queued while the connection is being made; dropped after the link ended. */
  send(message: Out): void
  /** No more from this side; the peer answers what it has and ends. */
  finish(): void
  /** Ends at once; no event follows. */
  cancel(): void
}

export interface LinkEvents<In> {
  message(message: In): void
  /** At most once, not before the opening call returned, and nothing after it. UNREACHABLE: see below. */
  ended(error: SandglassError): void
}

export type ProduceLink = Link<Init<ProduceFrame>>
export type ConsumeLink = Link<Init<ConsumeRequest>>

export interface Transport {
  /** One try at one node. Rejects with a SandglassError. */
  call<S extends ServiceName, M extends MethodName<S>>(
    addr: string,
    service: S,
    method: M,
    request: Init<RequestOf<S, M>>,
    options: CallOptions,
  ): Promise<ResponseOf<S, M>>
  /** Ends with UNREACHABLE only if nothing ever left; a connection that broke is COMMIT_UNKNOWN. */
  produce(addr: string, events: LinkEvents<ProduceAnswer>): ProduceLink
  /** Ends with UNREACHABLE however the connection was lost. */
  consume(addr: string, events: LinkEvents<ConsumeResponse>): ConsumeLink
  /** Ends every connection. */
  close(): void
}
