/**
 * What other nodes send, on its way to the replicas here: in the order in which it came, and so much of it in one turn of the
 * event loop. Whose frame has to wait is told when it has been taken: until then its connection is not read on.
 */
import type { Env } from '../base/env.ts'
import { SandglassError } from '../base/errors.ts'
import { Fifo } from '../base/fifo.ts'
import type { GroupId, NodeId } from '../base/ids.ts'
import { MESSAGES_PER_TURN, MESSAGES_PER_TURN_MAX } from '../base/limits.ts'
import type { Message } from '../raft/types.ts'
import { decodeFrame, decodeSnapshotHeader, type Pulse, type SnapshotHeader } from './frame/frame.ts'
import type { FrameClock } from './frame/frame-clock.ts'

/** What this needs of a replica. */
export interface Addressee {
  /** Throws INVALID, with the field, for what no honest peer sends. */
  admits(from: NodeId, message: Message): boolean
  step(message: Message): void
  receive(header: SnapshotHeader, chunks: AsyncIterable<Uint8Array>): Promise<void>
}

interface InboxParts {
  readonly env: Pick<Env, 'endOfTurn'>
  readonly clocks: { note(node: NodeId, clock: FrameClock): void }
  readonly slumber: { heard(node: NodeId, pulse: Pulse | undefined): void }
  readonly housekeeping: { readonly takesAppends: boolean; readonly skewed: boolean }
  readonly replica: (group: GroupId) => Addressee | undefined
  /** Nothing is taken any more. */
  readonly dead: () => boolean
  readonly fatal: (error: unknown) => void
}

interface Waiting {
  readonly from: NodeId
  readonly bytes: Uint8Array
  readonly taken: () => void
  readonly refused: (error: unknown) => void
}

/** Bytes of a frame that count as much as a message: entries are decoded. */
const BYTES_PER_MESSAGE = 4096

export class Inbox {
  readonly #parts: InboxParts
  /** In this turn, in messages; and how many it takes. */
  #work = 0
  #room = MESSAGES_PER_TURN
  /** Something had to wait in this turn. */
  #short = false
  readonly #waiting = new Fifo<Waiting>()

  constructor(parts: InboxParts) {
    this.#parts = parts
  }

  /** Another turn has begun: with more room than the last one if that had too little, else with less. */
  turned(): void {
    const room = this.#short ? 2 * this.#room : this.#room / 2
    this.#room = Math.min(MESSAGES_PER_TURN_MAX, Math.max(MESSAGES_PER_TURN, room))
    this.#short = false
    this.#work = 0
  }

  /**
   * Throws INVALID, with the field, for what no honest peer sends: its connection is to be closed. A promise: it waits for the
   * next turn, and so must what comes behind it; rejects alike.
   */
  frame(from: NodeId, bytes: Uint8Array): Promise<void> | undefined {
    if (this.#waiting.length === 0 && this.#work < this.#room) {
      this.#take(from, bytes)
      return undefined
    }
    return new Promise<void>((taken, refused) => {
      this.#waiting.push({ from, bytes, taken, refused })
      this.#short = true
      if (this.#waiting.length === 1) this.#parts.env.endOfTurn(() => this.#takeMore())
    })
  }

  async snapshot(from: NodeId, bytes: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { replica, dead } = this.#parts
    const header = decodeSnapshotHeader(bytes)
    const to = replica(header.group)
    if (dead() || to?.admits(from, header.message) !== true) {
      throw new SandglassError('GROUP_NOT_FOUND', `Cannot install a snapshot: group ${header.group} is not here`)
    }
    await to.receive(header, chunks)
  }

  #takeMore(): void {
    this.#work = 0
    while (this.#waiting.length > 0 && this.#work < this.#room) {
      const waiting = this.#waiting.shift()
      if (waiting === undefined) return
      try {
        this.#take(waiting.from, waiting.bytes)
        waiting.taken()
      } catch (error) {
        waiting.refused(error)
      }
    }
    if (this.#waiting.length === 0) return
    this.#short = true
    this.#parts.env.endOfTurn(() => this.#takeMore())
  }

  #take(from: NodeId, bytes: Uint8Array): void {
    const { clocks, slumber, housekeeping, replica, dead } = this.#parts
    if (dead()) return
    const { clock, envelopes, pulse } = decodeFrame(bytes)
    this.#work += envelopes.length + bytes.byteLength / BYTES_PER_MESSAGE
    clocks.note(from, clock)
    slumber.heard(from, pulse)
    let skewed: boolean | undefined
    for (const { group, message } of envelopes) {
      if (message.entries.length > 0 && !housekeeping.takesAppends) continue
      if (message.type === 'timeoutNow') {
        // A node whose clock is wrong does not take leadership.
        skewed ??= housekeeping.skewed
        if (skewed) continue
      }
      const to = replica(group)
      if (to?.admits(from, message) === true) this.#step(to, message)
    }
  }

  #step(to: Addressee, message: Message): void {
    try {
      if (!this.#parts.dead()) to.step(message)
    } catch (error) {
      this.#parts.fatal(error)
    }
  }
}
