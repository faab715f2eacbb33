// One partition's messages of one producer, under sequences (architecture §6, producer sequences). Messages become
// frames; a frame keeps its sequence and its content through every try. At most WINDOW sequences are unanswered.
// Invariant: frames are sent in order of their sequence on one stream, so after any refusal everything from the lowest
// unanswered on is sent again. Giving up on a sequence takes a new producer id: what was certainly not stored is
// renumbered under it, what may have been stored ends as unknown.
import type { Env, Timer } from '../base/env.ts'
import { ERROR_TABLE, SandglassError } from '../base/errors.ts'
import { Fifo } from '../base/fifo.ts'
import { ENTRY_BYTES_MAX, PRODUCER_OFFSETS_MAX, PRODUCER_TTL_MS } from '../base/limits.ts'
import type { ProduceRequest, ProduceResponse } from '../wire/messages.ts'
import type { Init } from '../wire/wire.ts'
import { Backoff } from './backoff.ts'
import { Frame, type Item } from './frame.ts'
import type { Try } from './produce-links.ts'

/** What a lane needs from its producer. */
export interface LaneContext {
  readonly env: Env
  readonly topic: string
  readonly partition: number
  /** Best known leader; undefined: none. */
  leader(): string | undefined
  /** The leader is elsewhere (a hint) or gone: look again. */
  leaderLost(hint: string | undefined): void
  send(addr: string, request: Init<ProduceRequest>, attempt: Try): void
}

const WINDOW = PRODUCER_OFFSETS_MAX
/** Smaller than the window, so that a frame is on its way while another is answered. */
const FRAME_MESSAGES_MAX = 256
/** Unanswered at most, besides a single large message. */
const WINDOW_BYTES = 4 * ENTRY_BYTES_MAX
/** Well before the server forgets a producer, a quiet lane takes a new id. */
const IDLE_MS_MAX = PRODUCER_TTL_MS / 4
const HINTS_MAX = 3
const PRODUCER_ID_BYTES = 16

export class Lane {
  readonly #context: LaneContext
  readonly #backoff: Backoff
  #producerId: Uint8Array
  #nextSequence = 1
  #lastAnswerAt: number
  /** Not yet in a frame. */
  readonly #queue = new Fifo<Item>()
  /** Unanswered, by sequence. */
  #frames: Frame[] = []
  /** How many of `#frames`, from the front, were sent since the last rewind. */
  #sent = 0
  #round = 0
  #hintsFollowed = 0
  #retry: Timer | undefined
  #expiry: Timer | undefined
  #renumbering = false

  constructor(context: LaneContext, producerId: Uint8Array | undefined) {
    this.#context = context
    this.#backoff = new Backoff(context.env)
    this.#producerId = producerId ?? context.env.randomBytes(PRODUCER_ID_BYTES)
    this.#lastAnswerAt = context.env.monoMs()
  }

  /** Takes a message; it leaves with the next pump(). */
  add(item: Item): void {
    this.#queue.push(item)
  }

  /** Sends what may be sent now. Called at the end of a turn in which something changed. */
  pump(): void {
    if (!this.#renumbering && this.#retry === undefined) this.#sendAll()
    this.#watch()
  }

  /** Ends everything that is left with `error`, or as unknown where it may have been stored. */
  abort(error: SandglassError): void {
    this.#retry?.cancel()
    this.#expiry?.cancel()
    for (const frame of this.#frames.splice(0)) frame.giveUp(error)
    for (const item of this.#queue.drain()) item.failed(error)
  }

  #sendAll(): void {
    for (;;) {
      const addr = this.#context.leader()
      const frame = this.#frames[this.#sent] ?? this.#nextFrame()
      if (frame === undefined) return
      if (addr === undefined) {
        this.#retryLater(undefined)
        return
      }
      this.#sent++
      this.#try(addr, frame)
    }
  }

  #nextFrame(): Frame | undefined {
    if (this.#queue.length === 0) return undefined
    this.#renewIfIdle()
    let messages = WINDOW
    let bytes = WINDOW_BYTES
    for (const frame of this.#frames) {
      messages -= frame.items.length
      bytes -= frame.bytes
    }
    const room = { messages: Math.min(messages, FRAME_MESSAGES_MAX), bytes: Math.min(bytes, ENTRY_BYTES_MAX) }
    const items = takeFrame(this.#queue, room, this.#frames.length === 0)
    if (items.length === 0) return undefined
    const frame = new Frame(this.#nextSequence, items)
    this.#nextSequence += items.length
    this.#frames.push(frame)
    return frame
  }

  #renewIfIdle(): void {
    const now = this.#context.env.monoMs()
    if (this.#frames.length === 0 && now - this.#lastAnswerAt > IDLE_MS_MAX) {
      this.#newProducerId()
      this.#lastAnswerAt = now
    }
  }

  #try(addr: string, frame: Frame): void {
    const round = this.#round
    frame.pending++
    const request: Init<ProduceRequest> = {
      topic: this.#context.topic,
      partition: this.#context.partition,
      messages: frame.items.map((item) => item.message),
      sequence: { producerId: this.#producerId, first: frame.first },
    }
    this.#context.send(addr, request, {
      answered: (response) => this.#answered(frame, response),
      failed: (error) => {
        frame.pending--
        if (error.outcome === 'unknown') frame.unknown = true
        this.#failed(frame, error, round)
      },
    })
  }

  #answered(frame: Frame, response: ProduceResponse): void {
    frame.pending--
    const at = this.#frames.indexOf(frame)
    if (at < 0) return
    this.#frames.splice(at, 1)
    if (at < this.#sent) this.#sent--
    this.#lastAnswerAt = this.#context.env.monoMs()
    this.#backoff.reset()
    this.#hintsFollowed = 0
    frame.stored(this.#context.partition, response)
    if (this.#renumbering) this.#renumber()
    this.pump()
  }

  #failed(frame: Frame, error: SandglassError, round: number): void {
    if (this.#renumbering) {
      this.#renumber()
      return
    }
    // An earlier round's refusal: this round's own answer decides.
    if (round !== this.#round || !this.#frames.includes(frame)) return
    if (frame === this.#frames[0] && error.reason === 'OUT_OF_SEQUENCE') {
      this.#startRenumbering()
    } else if (ERROR_TABLE[error.reason].retry === 'never') {
      const left = frame.refused(error)
      if (left === undefined) frame.giveUp(error)
      this.#frames.splice(this.#frames.indexOf(frame), 1, ...(left === undefined ? [] : [left]))
      this.#startRenumbering()
    } else {
      this.#retryLater(error)
    }
  }

  /** From the lowest unanswered again, after a while; at once after a fresh hint. */
  #retryLater(error: SandglassError | undefined): void {
    if (this.#retry !== undefined) return
    this.#round++
    this.#sent = 0
    for (const frame of this.#frames) if (error !== undefined) frame.lastError = error
    // OUT_OF_SEQUENCE behind a refused frame says nothing of the leader.
    if (error?.reason !== 'OUT_OF_SEQUENCE' && error?.reason !== 'OVERLOADED') this.#context.leaderLost(error?.leader)
    const hinted = error?.leader !== undefined && this.#hintsFollowed++ < HINTS_MAX
    this.#retry = this.#context.env.after(hinted ? 0 : this.#backoff.next(), () => {
      this.#retry = undefined
      this.pump()
    })
  }

  /** One timer for the lowest deadline: messages expire in the order they came. */
  #watch(): void {
    const next = this.#frames[0]?.deadline ?? this.#queue.first?.deadline
    if (next === undefined || this.#expiry !== undefined) return
    this.#expiry = this.#context.env.after(Math.max(0, next - this.#context.env.monoMs()), () => {
      this.#expiry = undefined
      this.#expire()
    })
  }

  #expire(): void {
    const now = this.#context.env.monoMs()
    const lastError = this.#frames[0]?.lastError
    const late = this.#frames.filter((frame) => frame.deadline <= now)
    if (late.length > 0) {
      this.#frames = this.#frames.filter((frame) => frame.deadline > now)
      for (const frame of late) frame.giveUp(expired(frame.lastError))
      // No more waiting for answers of the old id: they may never come.
      for (const frame of this.#frames) frame.abandonTries()
      this.#startRenumbering()
    }
    for (let item = this.#queue.first; item !== undefined && item.deadline <= now; item = this.#queue.first) {
      this.#queue.shift()
      item.failed(expired(lastError))
    }
    this.pump()
  }

  #startRenumbering(): void {
    this.#renumbering = true
    this.#retry?.cancel()
    this.#retry = undefined
    this.#renumber()
  }

  /** Once no try of the old id is open: unknown frames end, the others begin again under a new id, in order. */
  #renumber(): void {
    if (this.#frames.some((frame) => frame.pending > 0)) return
    this.#renumbering = false
    const frames = this.#frames.splice(0)
    for (const frame of frames) if (frame.unknown) frame.giveUp(frame.lastError ?? expired(undefined))
    const again = frames.flatMap(({ unknown, items }) => (unknown ? [] : items))
    for (const item of again.reverse()) this.#queue.unshift(item)
    this.#sent = 0
    this.#round++
    this.#newProducerId()
    this.#context.env.endOfTurn(() => this.pump())
  }

  #newProducerId(): void {
    this.#producerId = this.#context.env.randomBytes(PRODUCER_ID_BYTES)
    this.#nextSequence = 1
  }
}

/** Removes from the queue what goes into one frame. A message larger than the room goes alone, when `alone`. */
function takeFrame(queue: Fifo<Item>, room: { messages: number; bytes: number }, alone: boolean): readonly Item[] {
  const items: Item[] = []
  let bytes = 0
  for (let item = queue.first; item !== undefined && items.length < room.messages; item = queue.first) {
    if (bytes + item.bytes > room.bytes && !(alone && items.length === 0)) break
    bytes += item.bytes
    items.push(item)
    queue.shift()
  }
  return items
}

function expired(last: SandglassError | undefined): SandglassError {
  if (last === undefined) return new SandglassError('NO_QUORUM', 'Cannot produce in time: the partition has no leader')
  const text = `Cannot produce in time: ${last.message}`
  if (last.reason === 'UNREACHABLE' || last.reason === 'OVERLOADED' || last.reason === 'DISK_FULL') {
    return new SandglassError(last.reason, text)
  }
  return new SandglassError('NO_QUORUM', text)
}
