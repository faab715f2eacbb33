/**
 * A call within bounds, between grpc-js and its handler: tells the book when it opens, speaks, is answered and is gone, and
 * counts what is kept for it.
 */
import { constants, type ServerHttp2Stream } from 'node:http2'
import {
  type Deadline,
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
} from '@grpc/grpc-js'
import type { Env } from '../../base/env.ts'
import { SandglassError } from '../../base/errors.ts'
import { type CallBook, overloaded } from './call-book.ts'
import type { BookedCall, ClientCalls } from './client-calls.ts'
import { HeldBytes } from './held-bytes.ts'

type Listener = Parameters<ServerInterceptingCallInterface['start']>[0]
export type CallStatus = Parameters<ServerInterceptingCallInterface['sendStatus']>[0]

export interface CallParts {
  readonly env: Env
  readonly book: CallBook
  readonly client: ClientCalls
  readonly stream: ServerHttp2Stream
  readonly streaming: boolean
  /** Of a unary call, from now to its answer. */
  readonly unaryMs: number
  readonly statusOf: (error: SandglassError) => CallStatus
}

export class BoundedCall extends ServerInterceptingCall implements BookedCall, Listener {
  readonly streaming: boolean
  readonly client: ClientCalls
  held = 0
  readonly #inner: ServerInterceptingCallInterface
  readonly #parts: CallParts
  readonly #deadline: number
  readonly #bytes: HeldBytes
  #listener: Listener | undefined
  #state: 'new' | 'open' | 'answered' | 'over' = 'new'
  #spoken = false
  /** The client has ended its half. */
  #halfClosed = false
  /** It was answered before it could ask: that is no fault of the client. */
  #turnedAway = false
  /** The request of a unary call is with its handler. */
  #handed = false

  constructor(inner: ServerInterceptingCallInterface, parts: CallParts) {
    super(inner)
    this.#inner = inner
    this.#parts = parts
    this.client = parts.client
    this.streaming = parts.streaming
    this.#deadline = parts.env.monoMs() + parts.unaryMs
    this.#bytes = new HeldBytes((more) => this.#hold(more))
  }

  get answered(): boolean {
    return this.#state === 'answered'
  }

  override start(listener: Listener): void {
    const { env, book, stream } = this.#parts
    if (stream.destroyed || stream.closed) {
      this.client.tookBack(env.monoMs())
      return
    }
    if (!book.open(this)) {
      this.#refuse()
      return
    }
    this.#state = 'open'
    this.#listener = listener
    // Behind the library's own listener, which has paused the stream before.
    stream.on('data', (piece: Buffer) => this.#read(piece))
    stream.once('close', () => this.#gone())
    this.#inner.start(this)
  }

  /** Of a unary call at the latest what it is given here, counted from its first header. */
  override getDeadline(): Deadline {
    const asked = this.#inner.getDeadline()
    if (this.streaming) return asked
    const { env } = this.#parts
    return Math.min(Number(asked), env.wallMs() + this.#deadline - env.monoMs())
  }

  /** What has begun to come is owed while it is read. */
  override startRead(): void {
    if (this.#spoken && this.#bytes.begun) this.#parts.book.frameBegun(this)
    this.#inner.startRead()
  }

  override sendMessage(message: unknown, callback: () => void): void {
    const bytes = message instanceof Uint8Array ? message.byteLength : 0
    this.#bytes.sending(bytes)
    this.#inner.sendMessage(message, () => {
      this.#bytes.sent(bytes)
      callback()
    })
  }

  override sendStatus(status: CallStatus): void {
    this.#turnedAway = !this.#halfClosed && !this.#parts.stream.closed
    super.sendStatus(status)
  }

  onReceiveMetadata(metadata: Metadata): void {
    if (this.streaming) callsByMetadata.set(metadata, this)
    this.#bytes.headers(metadata)
    this.#listener?.onReceiveMetadata(metadata)
  }

  onReceiveMessage(message: unknown): void {
    if (!this.#spoken) {
      this.#spoken = true
      this.client.spoke(this)
    }
    // Of a service that decodes by itself; ours get bytes and tell when they are taken.
    if (this.streaming && !(message instanceof Uint8Array)) this.#bytes.taken(0)
    this.#listener?.onReceiveMessage(message)
  }

  onReceiveHalfClose(): void {
    // Node ends the reading side of a stream whose connection broke as well: that is no half-close, and its end follows.
    if (this.#parts.stream.closed) return
    this.#halfClosed = true
    this.#handed = !this.streaming
    this.#parts.book.whole(this)
    this.#listener?.onReceiveHalfClose()
  }

  /** The status has gone out, or the stream is gone. */
  onCancel(): void {
    if (this.#state === 'open') {
      this.#state = 'answered'
      this.#parts.book.answered(this)
    }
    this.#listener?.onCancel()
  }

  /** The handler of a stream has taken a message. */
  taken(message: Uint8Array): void {
    this.#bytes.taken(message.byteLength)
  }

  fail(error: SandglassError): void {
    const { stream, statusOf } = this.#parts
    const untold = this.answered || this.#bytes.unsent
    this.#close()
    if (untold) {
      // What lies before a status would have to be taken first.
      stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
      return
    }
    const begun = stream.headersSent
    this.#inner.sendStatus(statusOf(this.#sureOf(error)))
    // Behind the status, which goes out at the end of this turn, or of that in which trailers are wanted.
    const close = () => setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR))
    if (begun) stream.once('wantTrailers', close)
    else close()
  }

  /** A request that the handler has may be under way. */
  #sureOf(error: SandglassError): SandglassError {
    if (!this.#handed) return error
    return new SandglassError('COMMIT_UNKNOWN', error.message, { cause: error })
  }

  #refuse(): void {
    this.fail(overloaded('too many streams are open on this node'))
    this.client.refused()
  }

  #gone(): void {
    const unasked = !this.#spoken && !this.#turnedAway
    if (this.#state !== 'over' && unasked) this.client.tookBack(this.#parts.env.monoMs())
    this.#close()
  }

  #read(piece: Buffer): void {
    if (this.#state !== 'open') return
    const before = this.#bytes.begun
    const whole = this.#bytes.read(piece)
    if (whole > 0) this.#parts.book.frameWhole(this)
    else if (!before && this.#spoken) this.#parts.book.frameBegun(this)
  }

  #hold(more: number): void {
    if (this.#state === 'open' || this.#state === 'answered') this.#parts.book.hold(this, more)
  }

  #close(): void {
    const booked = this.#state === 'open' || this.#state === 'answered'
    this.#state = 'over'
    if (booked) this.#parts.book.closed(this)
  }
}

/** The headers are what a call and its handler's stream have in common. */
const callsByMetadata = new WeakMap<Metadata, BoundedCall>()

/** The call under a handler's stream of requests. */
export function callUnder(stream: { readonly metadata: Metadata }): BoundedCall | undefined {
  return callsByMetadata.get(stream.metadata)
}
