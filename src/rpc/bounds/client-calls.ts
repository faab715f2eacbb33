/** The open calls of one connection, and how many it may have: few at first, more as it makes use of them. */
import type { SandglassError } from '../../base/errors.ts'

/** What the books need of a call. */
export interface BookedCall {
  readonly client: ClientCalls
  /** A stream of requests; otherwise one request with one answer. */
  readonly streaming: boolean
  /** Bytes of it that are counted. */
  held: number
  /** It was answered; only the client keeps it open. */
  readonly answered: boolean
  /** Ends it with `error`, or without a word if there is no telling. Its bytes are given back at once. */
  fail(error: SandglassError): void
}

interface ClientOptions {
  readonly streamsMax: number
  /** What is being served on the connection has changed. */
  readonly onServing: (calls: number) => void
  /** The client is to be told that it may have so many streams at a time. */
  readonly onAllowed: (streams: number) => void
  /** The connection is to end: it costs and asks for nothing. */
  readonly drop: () => void
}

/**
 * Streams of a connection that has shown no use for more. What a burst of headers costs is bounded by it: 32 of them in one
 * read take about 3 ms, and there may be as many connections with one as there are sockets to read in a turn.
 */
export const STREAMS_UNTRIED = 32

/** A connection that goes on asking though it is refused, and has nothing else. */
const REFUSED_MAX = 100
/**
 * Calls taken back before they asked for anything leave room for others at once, so that no bound of streams holds them: as
 * many in a second as twice the streams that the connection may have.
 */
const TAKEN_BACK_STREAMS = 2
const TAKEN_BACK_MS = 1000

export class ClientCalls {
  readonly #options: ClientOptions
  readonly #calls = new Set<BookedCall>()
  /** Without their request, or answered and not closed by the client. */
  readonly #idle = new Set<BookedCall>()
  /** With unfinished bytes; first who has had some longest. */
  readonly #holding = new Set<BookedCall>()
  #allowed: number
  held = 0
  /** Calls refused since the last one that was let in. */
  #refusedInARow = 0
  /** Since `#takenBackFromMs`, monotonic. */
  #takenBack = 0
  #takenBackFromMs = Number.NEGATIVE_INFINITY

  constructor(options: ClientOptions) {
    this.#options = options
    this.#allowed = Math.min(options.streamsMax, STREAMS_UNTRIED)
  }

  get size(): number {
    return this.#calls.size
  }

  /** Calls whose request is there and not answered. */
  get serving(): number {
    return this.#calls.size - this.#idle.size
  }

  /** The call whose end costs the client least. */
  get leastOfUse(): BookedCall | undefined {
    const [idle] = this.#idle
    const [oldest] = this.#calls
    return idle ?? oldest
  }

  get longestHolding(): BookedCall | undefined {
    const [longest] = this.#holding
    return longest
  }

  opened(call: BookedCall): void {
    this.#refusedInARow = 0
    this.#calls.add(call)
    this.#idle.add(call)
  }

  /** Its request is there, or the first of its stream. */
  spoke(call: BookedCall): void {
    if (!this.#idle.delete(call)) return
    this.#options.onServing(this.serving)
    if (this.serving * 2 < this.#allowed || this.#allowed >= this.#options.streamsMax) return
    this.#allowed = Math.min(this.#options.streamsMax, this.#allowed * 2)
    this.#options.onAllowed(this.#allowed)
  }

  answered(call: BookedCall): void {
    this.#idle.add(call)
    this.#options.onServing(this.serving)
  }

  closed(call: BookedCall): void {
    this.#calls.delete(call)
    this.#idle.delete(call)
    this.#options.onServing(this.serving)
  }

  /** There was no room for a call. */
  refused(): void {
    this.#refusedInARow += 1
    if (this.serving === 0 && this.#refusedInARow >= REFUSED_MAX) this.#options.drop()
  }

  /** A call has ended, by its client, before it had asked for anything. */
  tookBack(nowMs: number): void {
    if (nowMs - this.#takenBackFromMs >= TAKEN_BACK_MS) {
      this.#takenBackFromMs = nowMs
      this.#takenBack = 0
    }
    this.#takenBack += 1
    if (this.#takenBack > TAKEN_BACK_STREAMS * this.#allowed) this.#options.drop()
  }

  hold(call: BookedCall, more: number): void {
    this.held += more
    call.held += more
    if (call.held > 0) this.#holding.add(call)
    else this.#holding.delete(call)
  }
}
