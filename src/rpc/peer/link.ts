/**
 * One lane to one peer: a stream over a connection of its own. It opens with the first frame, takes what fits its bound
 * and drops the rest; after a failure it waits before it tries again. A stream that was accepted, then reset, and whose
 * next try is refused means that the process there is gone.
 */
import { Client, type ClientDuplexStream, credentials, type ServiceError, status } from '@grpc/grpc-js'
import type { Env, Timer } from '../../base/env.ts'
import { pinnedBytes } from '../../base/pinned.ts'
import { DIRECT, targetOf } from '../../wire/channels.ts'
import { EXCHANGE, encodeHandshake, type PeerIdentity } from './wire.ts'

export interface LinkOptions {
  readonly env: Env
  readonly identity: PeerIdentity
  readonly address: string
  /** Bytes written and not yet taken by the connection before frames are dropped. */
  readonly queueBytesMax: number
  /** A connection that has not come about after this long is given up and tried anew. */
  readonly connectMs: number
  /** The process at the other end is gone. */
  readonly onGone: () => void
  readonly onError: (message: string) => void
}

const WINDOW_BYTES = 4 * 1024 * 1024
const BACKOFF_MIN_MS = 50
const BACKOFF_MAX_MS = 1000
/** A try younger than this is left to come about. */
const YOUNG_MS = 100
/** A stream that ends as a violation within this time did not mend what was wrong with the one before. */
const SOUND_MS = 10_000

/** A connection shared with nobody, which a healed network finds again within a second. */
export const CHANNEL_OPTIONS = {
  ...DIRECT,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': BACKOFF_MIN_MS,
  'grpc.max_reconnect_backoff_ms': BACKOFF_MAX_MS,
  'grpc.enable_retries': 0,
  'grpc.client_idle_timeout_ms': 2 ** 31 - 1,
  // A connection under a silent cut gives no error by itself.
  'grpc.keepalive_time_ms': 2000,
  'grpc.keepalive_timeout_ms': 2000,
  'grpc.max_send_message_length': -1,
  'grpc-node.flow_control_window': WINDOW_BYTES,
} as const

type Stream = ClientDuplexStream<Uint8Array, Uint8Array>

export class PeerLink {
  readonly #options: LinkOptions
  #client: Client
  #connecting: Timer | undefined
  #stream: Stream | undefined
  #queuedBytes = 0
  /** Whether the peer accepted the present stream; 'reset': somebody was there, and the connection ended since. */
  #state: 'new' | 'accepted' | 'reset' = 'new'
  #backoffMs = BACKOFF_MIN_MS
  #retryAtMs = 0
  #openedAtMs = 0
  /** The last stream was not ended as a violation: a peer that takes the next one is a peer that is there again. */
  #sound = true
  #closed = false

  constructor(options: LinkOptions) {
    this.#options = options
    this.#client = connectTo(options.address)
  }

  get address(): string {
    return this.#options.address
  }

  /** False: dropped, because the queue is full or the peer cannot be reached now. */
  send(frame: Uint8Array): boolean {
    const stream = this.#stream ?? this.#open()
    const bytes = pinnedBytes(frame)
    if (stream === undefined || this.#queuedBytes + bytes > this.#options.queueBytesMax) return false
    this.#queuedBytes += bytes
    stream.write(frame, () => {
      if (stream === this.#stream) this.#queuedBytes -= bytes
    })
    return true
  }

  /** The peer was heard from: what kept it from being reached is over, and no backoff is worth waiting for. */
  hurry(): void {
    const { env } = this.#options
    if (this.#closed || this.#state === 'accepted' || !this.#sound) return
    const stream = this.#stream
    if (stream !== undefined && env.monoMs() - this.#openedAtMs < YOUNG_MS) return
    this.#stream = undefined
    stream?.cancel()
    this.#reconnect()
    this.#backoffMs = BACKOFF_MIN_MS
    this.#retryAtMs = 0
    this.#open()
  }

  close(): void {
    this.#closed = true
    this.#connecting?.cancel()
    this.#stream?.cancel()
    this.#stream = undefined
    this.#client.close()
  }

  #open(): Stream | undefined {
    const { env, identity } = this.#options
    if (this.#closed || env.monoMs() < this.#retryAtMs) return undefined
    const { path, requestSerialize, responseDeserialize } = EXCHANGE
    const stream = this.#client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      encodeHandshake(identity),
    )
    this.#stream = stream
    this.#queuedBytes = 0
    this.#openedAtMs = env.monoMs()
    stream.on('metadata', () => this.#accepted(stream))
    // Nothing is said on the way back, but the end is only seen by whoever reads.
    stream.resume()
    stream.on('error', (error: ServiceError) => this.#ended(stream, error))
    stream.on('end', () => this.#ended(stream, undefined))
    this.#connecting?.cancel()
    this.#connecting = env.after(this.#options.connectMs, () => this.#giveUp(stream))
    return stream
  }

  /** A cut without a word: the system would try to connect in ever longer steps, long after the cut has healed. */
  #giveUp(stream: Stream): void {
    if (stream !== this.#stream || this.#state === 'accepted') return
    this.#stream = undefined
    this.#queuedBytes = 0
    stream.cancel()
    this.#reconnect()
    if (this.#state === 'reset') this.#open()
  }

  /** The next stream goes over a connection of its own. */
  #reconnect(): void {
    this.#client.close()
    this.#client = connectTo(this.#options.address)
  }

  #retry(): void {
    if (this.#stream !== undefined) return
    // A timer may come a moment before the clock says so.
    this.#retryAtMs = 0
    this.#open()
  }

  #accepted(stream: Stream): void {
    if (stream !== this.#stream) return
    this.#state = 'accepted'
    if (this.#sound) this.#backoffMs = BACKOFF_MIN_MS
  }

  #ended(stream: Stream, error: ServiceError | undefined): void {
    if (stream !== this.#stream || this.#closed) return
    this.#stream = undefined
    this.#queuedBytes = 0
    const { env, onError, onGone } = this.#options
    const isViolation = error?.code === status.INVALID_ARGUMENT
    if (!isViolation && env.monoMs() - this.#openedAtMs > SOUND_MS) this.#sound = true
    if (isViolation) {
      this.#sound = false
      this.#reconnect()
    }
    if (this.#state === 'accepted' && !isViolation) {
      this.#state = 'reset'
      // Whether the process is gone or only the connection, the next try tells.
      this.#open()
      return
    }
    const backoffMs = this.#backoffMs
    this.#retryAtMs = env.monoMs() + backoffMs
    this.#backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS)
    if (error !== undefined && !isLost(error)) onError(error.details)
    if (this.#state === 'reset' && error !== undefined && isRefused(error)) {
      this.#state = 'new'
      onGone()
      return
    }
    // Somebody was there, though the stream ended before it was accepted: the next try tells.
    if (error === undefined || !isUnconnected(error)) this.#state = 'reset'
    if (this.#state === 'reset') env.after(backoffMs, () => this.#retry())
  }
}

function connectTo(address: string): Client {
  return new Client(targetOf(address), credentials.createInsecure(), CHANNEL_OPTIONS)
}

/** The connection ended, or was never there: no news worth telling. */
function isLost({ code }: ServiceError): boolean {
  return code === status.UNAVAILABLE || code === status.CANCELLED
}

/** No connection came about. */
function isUnconnected({ code, details }: ServiceError): boolean {
  return code === status.UNAVAILABLE && /No connection established|Name resolution/.test(details)
}

/** The address answered, and nobody serves there. Silence is no refusal. */
function isRefused({ code, details }: ServiceError): boolean {
  return code === status.UNAVAILABLE && /ECONNREFUSED|ECONNRESET|EPIPE|hang up|Connection dropped/.test(details)
}
