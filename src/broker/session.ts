/**
 * One consumer's stream on one partition of this leader: attaches, receives deliveries while it has credit and its stream
 * takes them, settles what it holds. However it ends, its sink hears `end` at most once and nothing after.
 */
import { SandglassError } from '../base/errors.ts'
import type { GroupName, GroupStart, Held, NackItem, Position, TimerCommand } from '../views/timer/commands.ts'
import type { DeliveredMessage, LiveSession } from './dispatcher/groups/live-session.ts'
import type { Answer } from './lane.ts'
import type { MarkReceiver } from './marks.ts'
import type { SessionHost } from './session-host.ts'
import { type SettleCommand, type Settled, submitInParts } from './settle-parts.ts'

export interface DeliveryBatch {
  /** Leader's time at which the leases began, ms. */
  readonly deliveredMs: number
  /** Infinity: endless. */
  readonly leaseMs: number
  /** Newest mark echoed when the leases were proposed. */
  readonly mark: number
  readonly messages: readonly DeliveredMessage[]
}

/** The stream's writing end. */
export interface SessionSink {
  /** False while it takes no more; `Session.drained` says when it does again. */
  writable(): boolean
  subscribed(cursor: Position, kept: readonly Held[]): void
  deliveries(batch: DeliveryBatch): void
  /** `lost`: places in the request whose lease was not current. */
  settled(id: number, lost: readonly number[], error?: SandglassError): void
  mark(id: number): void
  caughtUp(at: number): void
  end(error: SandglassError): void
}

export interface SessionSpec extends GroupName {
  readonly consumer: string
  /** 32 hex digits. */
  readonly session: string
  /** Infinity: endless. */
  readonly leaseMs: number
  readonly credit: number
  readonly start: GroupStart
  /** Reattaching: what the stream still holds. */
  readonly holds?: readonly Held[]
}

export class Session implements LiveSession, MarkReceiver {
  readonly id: string
  readonly leaseMs: number
  readonly seat: number
  readonly attached = true
  readonly #spec: SessionSpec
  readonly #sink: SessionSink
  readonly #host: SessionHost
  #credit: number
  #mark = 0
  #state: 'attaching' | 'live' | 'ended' = 'attaching'
  proposed = 0

  /** Proposes the attachment at once. */
  constructor(spec: SessionSpec, sink: SessionSink, host: SessionHost) {
    this.id = spec.session
    this.leaseMs = spec.leaseMs
    this.#spec = spec
    this.#sink = sink
    this.#host = host
    this.#credit = spec.credit
    this.seat = host.group.nextSeat()
    host.group.attaching(this.id)
    const { channel, group, consumer, session, start, holds } = spec
    const command: TimerCommand = { type: 'attach', channel, group, consumer, session, start, ...(holds && { holds }) }
    host.submit(command, (answer) => this.#attached(answer))
  }

  get mark(): number {
    return this.#mark
  }

  get credit(): number {
    return this.#credit
  }

  writable(): boolean {
    return this.#state === 'live' && this.#sink.writable()
  }

  ack(id: number, items: readonly Held[]): void {
    this.#settle(id, { type: 'ack', ...this.#name, items }, ({ done }) => this.#host.acked(done))
  }

  nack(id: number, items: readonly NackItem[]): void {
    this.#settle(id, { type: 'nack', ...this.#name, items }, ({ done }) => this.#host.nacked(done))
  }

  extend(id: number, items: readonly Held[], leaseMs: number): void {
    this.#settle(id, { type: 'extend', ...this.#name, leaseMs, items }, ({ deadline }) => {
      if (deadline !== undefined) this.#host.group.extended(deadline, leaseMs)
    })
  }

  addCredit(more: number): void {
    this.#credit = Math.min(this.#credit + more, CREDIT_MAX)
    this.#host.group.roomMade(this.id)
  }

  /** A sign of life to be echoed once a quorum confirmed this leader. */
  marked(id: number): void {
    if (this.#state !== 'ended') this.#host.marks.mark(this, id)
  }

  echo(mark: number): void {
    if (this.#state === 'ended') return
    this.#mark = Math.max(mark, this.#mark)
    this.#sink.mark(mark)
  }

  /** The stream takes more again. */
  drained(): void {
    this.#host.group.roomMade(this.id)
  }

  /** The stream is gone. `clean`: the consumer ended it and gives back what it holds. Idempotent. */
  close(clean: boolean): void {
    if (this.#state === 'ended') return
    const attached = this.#state === 'live'
    this.#state = 'ended'
    this.#host.marks.forget(this)
    if (attached) this.#host.group.remove(this, clean)
    else this.#cleanWhenAttached = clean
  }

  attach(): void {
    // It began with that.
  }

  deliver(deliveredMs: number, mark: number, messages: readonly DeliveredMessage[]): void {
    if (this.#state !== 'live') return
    for (const part of parts(messages)) {
      this.#sink.deliveries({ deliveredMs, leaseMs: this.leaseMs, mark, messages: part })
    }
  }

  caughtUp(at: number): void {
    if (this.#state === 'live') this.#sink.caughtUp(at)
  }

  /** The leader ends it. What it holds stays leased until it reattaches or its grace runs out. */
  end(error: SandglassError): void {
    if (this.#state === 'ended') return
    this.close(false)
    this.#sink.end(error)
  }

  #cleanWhenAttached = false

  get #name(): GroupName {
    return { channel: this.#spec.channel, group: this.#spec.group }
  }

  #attached(answer: Answer): void {
    const { group } = this.#host
    group.answered(this.id)
    const attached = answer.type === 'reply' && answer.reply.type === 'attached' ? answer.reply : undefined
    if (attached === undefined) {
      // Whatever it held from before keeps its grace; the sink may be told in this very turn.
      group.remove(this, false)
      this.end(attachRefusal(answer))
      return
    }
    if (!this.#host.current()) {
      this.end(this.#host.notLeader())
      return
    }
    if (this.#state === 'ended') {
      group.remove(this, this.#cleanWhenAttached)
      return
    }
    this.#state = 'live'
    group.add(this)?.end(new SandglassError('SESSION_REPLACED', 'Cannot go on: the session has a newer stream'))
    this.#sink.subscribed(attached.cursor, attached.kept)
  }

  #settle(id: number, command: SettleCommand, onPart: (settled: Settled) => void): void {
    const onDone = (answer: Answer) => {
      if (this.#state === 'ended') return
      if (answer.type === 'reply' && answer.reply.type === 'settled') this.#sink.settled(id, answer.reply.lost)
      else this.#sink.settled(id, [], settleRefusal(answer))
    }
    submitInParts(command, (part, done) => this.#host.submit(part, done), { onPart, onDone })
  }
}

const CREDIT_MAX = 1_000_000
/** One frame of deliveries: a fraction of what a client takes, so that frames of many streams interleave. */
const PART_BYTES = 512 * 1024

function* parts(messages: readonly DeliveredMessage[]): Iterable<readonly DeliveredMessage[]> {
  let from = 0
  let bytes = 0
  for (const [i, { body }] of messages.entries()) {
    if (i > from && bytes + body.length > PART_BYTES) {
      yield messages.slice(from, i)
      from = i
      bytes = 0
    }
    bytes += body.length
  }
  yield from === 0 ? messages : messages.slice(from)
}

/** Why an attachment was not made. */
export function attachRefusal(answer: Answer): SandglassError {
  if (answer.type === 'failed') return answer.error
  if (answer.reply.type === 'tooMany') {
    return new SandglassError('OVERLOADED', `Cannot subscribe: too many ${answer.reply.what} on this partition`)
  }
  return new SandglassError('SESSION_REPLACED', 'Cannot reattach: a newer session of this consumer is attached')
}

/** Why an ack, nack or extend was not applied. */
export function settleRefusal(answer: Answer): SandglassError {
  if (answer.type === 'failed') return answer.error
  return new SandglassError('GROUP_NOT_FOUND', 'Cannot settle: no such group')
}
