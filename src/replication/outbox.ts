/**
 * Messages of one turn on their way out: all groups together, one frame per peer and lane as far as its bound allows.
 * Appends have a lane of their own, so that a heartbeat or a vote never waits behind them.
 */
import type { GroupId, NodeId, ReplicaId } from '../base/ids.ts'
import { MESSAGES_PER_TURN, PEER_FRAME_BYTES } from '../base/limits.ts'
import type { Message } from '../raft/types.ts'
import { type Envelope, envelopeBytes } from './frame/envelope.ts'
import { encodeFrame, encodePulse, type Pulse } from './frame/frame.ts'
import type { FrameClock } from './frame/frame-clock.ts'
import type { Lane, Transport } from './transport.ts'

/** Where to say that messages were dropped. */
export interface Sender {
  readonly group: GroupId
  unreachable(to: ReplicaId): void
}

interface Clocks {
  /** What a frame to `node` is to carry. */
  of(node: NodeId): FrameClock
}

interface Box {
  readonly node: NodeId
  readonly lane: Lane
  envelopes: Envelope[]
  senders: Sender[]
  bytes: number
}

export class Outbox {
  readonly #clocks: Clocks
  readonly #transport: Transport
  readonly #boxes = new Map<NodeId, Record<Lane, Box>>()
  #filled: Box[] = []
  #silent = () => false
  /** As it was answered in this turn. */
  #silentNow: boolean | undefined

  constructor(clocks: Clocks, transport: Transport) {
    this.#clocks = clocks
    this.#transport = transport
  }

  /** Asked once in a turn in which candidates' requests are to leave; true: they do not, and this node does not campaign. */
  set silent(silent: () => boolean) {
    this.#silent = silent
  }

  add(node: NodeId, sender: Sender, message: Message): void {
    if (message.type === 'requestVote' || message.type === 'requestPreVote') {
      this.#silentNow ??= this.#silent()
      if (this.#silentNow) return
    }
    const envelope = { group: sender.group, message }
    const bytes = envelopeBytes(envelope)
    const box = this.#box(node)[message.type === 'appendEntries' ? 'append' : 'control']
    if (box.bytes > 0 && (box.bytes + bytes > PEER_FRAME_BYTES || box.envelopes.length === MESSAGES_PER_TURN)) {
      this.#send(box)
    }
    if (box.bytes === 0) this.#filled.push(box)
    box.envelopes.push(envelope)
    box.senders.push(sender)
    box.bytes += bytes
  }

  /** Sends what the turn left. */
  flush(): void {
    const filled = this.#filled
    this.#filled = []
    this.#silentNow = undefined
    for (const box of filled) if (box.bytes > 0) this.#send(box)
  }

  /** Sends a sign of life. Should it be dropped, the next one says the same. */
  pulse(node: NodeId, pulse: Pulse): void {
    this.#transport.send(node, 'control', encodePulse(this.#clocks.of(node), pulse))
  }

  #box(node: NodeId): Record<Lane, Box> {
    let boxes = this.#boxes.get(node)
    if (boxes === undefined) {
      boxes = { control: empty(node, 'control'), append: empty(node, 'append') }
      this.#boxes.set(node, boxes)
    }
    return boxes
  }

  #send(box: Box): void {
    const { node, lane, envelopes, senders } = box
    box.envelopes = []
    box.senders = []
    box.bytes = 0
    if (this.#transport.send(node, lane, encodeFrame({ clock: this.#clocks.of(node), envelopes }))) return
    for (let i = 0; i < envelopes.length; i++) senders[i]?.unreachable(envelopes[i]?.message.to ?? 0)
  }
}

function empty(node: NodeId, lane: Lane): Box {
  return { node, lane, envelopes: [], senders: [], bytes: 0 }
}
