/** The writing end of a Consume stream: a session's answers as frames. */
import type { SandglassError } from '../base/errors.ts'
import type { DeliveryBatch, SessionSink } from '../broker/session.ts'
import type { ErrorCodec } from '../wire/errors.ts'
import type { ConsumeResponse } from '../wire/messages.ts'
import type { Codec, Init } from '../wire/wire.ts'
import type { RawDuplex } from './calls.ts'
import { Outflow } from './outflow.ts'
import type { ServiceContext } from './service-context.ts'

type Response = ConsumeResponse<Uint8Array>

export class StreamSink implements SessionSink {
  readonly #codec: Codec<Response>
  readonly #errors: ErrorCodec
  readonly #outflow: Outflow
  readonly #onSettled: () => void
  #over = false
  /** The consumer takes no more deliveries; what it asked is still answered. */
  closing = false
  /** Acks, nacks and extends that are read and not answered: counted before they run, since an answer may come at once. */
  asked = 0

  /** `onSettled`: an ack, nack or extend was answered. `onRoom`: the stream takes more again. */
  constructor(
    stream: RawDuplex,
    { wire, errors, budgets }: Pick<ServiceContext, 'wire' | 'errors' | 'budgets'>,
    { onSettled, onRoom }: { readonly onSettled: () => void; readonly onRoom: () => void },
  ) {
    this.#outflow = new Outflow(stream, { budget: budgets.outflow, writes: budgets.writes, onRoom })
    this.#codec = wire.codec('ConsumeResponse')
    this.#errors = errors
    this.#onSettled = onSettled
  }

  writable(): boolean {
    return !this.closing && this.hasRoom()
  }

  hasRoom(): boolean {
    return !this.#over && this.#outflow.hasRoom()
  }

  subscribed(...[cursor, kept]: Parameters<SessionSink['subscribed']>): void {
    const held = kept.map(({ index, fence }) => ({ index, fence }))
    this.#write({ subscribed: { cursor: { dueMs: cursor.due, index: cursor.index }, kept: held } })
  }

  deliveries({ deliveredMs, leaseMs, mark, messages }: DeliveryBatch): void {
    const deliveries = messages.map(({ due, index, fence, count, body }) => ({ dueMs: due, index, fence, count, body }))
    this.#write({ deliveries: { deliveredMs, leaseMs: Number.isFinite(leaseMs) ? leaseMs : 0, mark, deliveries } })
  }

  settled(id: number, lost: readonly number[], error?: SandglassError): void {
    this.#write({ settled: { id, lost, ...(error && { error: this.#errors.toMessage(error) }) } })
    this.#answered()
  }

  /** A request that never reached the session. */
  refused(id: number, error: unknown): void {
    this.#write({ settled: { id, error: this.#errors.toMessage(error) } })
    this.#answered()
  }

  mark(id: number): void {
    this.#write({ mark: { id } })
  }

  caughtUp(at: number): void {
    if (!this.closing) this.#write({ caughtUp: { atMs: at } })
  }

  /** The last frame; idempotent. What is not a SandglassError is told as INTERNAL, without its text. */
  end(error: unknown): void {
    this.#write({ end: this.#errors.toMessage(error) })
    this.finish()
  }

  /** Closes without a word, as the consumer wished. */
  finish(): void {
    if (this.#over) return
    this.#over = true
    this.#outflow.finish()
  }

  /** The stream is gone. */
  abandon(): void {
    this.#over = true
    this.#outflow.end()
  }

  #answered(): void {
    this.asked -= 1
    this.#onSettled()
  }

  #write(response: Init<Response>): void {
    if (!this.#over) this.#outflow.write(this.#codec.encode(response))
  }
}
