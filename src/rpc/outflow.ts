/**
 * What was written to a stream and its peer has not taken, in bytes: Node's own mark counts frames, of which sixteen may be
 * eight MiB. Bounded for the stream, and for all streams of the node, of which each may have as much as is still free,
 * and one frame in any case.
 */
import type { Writable } from 'node:stream'
import type { Budget } from '../base/budget.ts'
import { Fifo } from '../base/fifo.ts'
import type { InTurns } from '../base/in-turns.ts'
import { OUTFLOW_BYTES_MAX } from '../base/limits.ts'

type Sink = Pick<Writable, 'write' | 'end' | 'on' | 'writableNeedDrain'>

interface OutflowParts {
  readonly budget: Budget
  /** So many frames, of all streams, are handed to their streams in a turn: each is work for the library. */
  readonly writes: InTurns<Outflow>
  /** There is room again after {@link Outflow.hasRoom} said that there is none. */
  readonly onRoom: () => void
}

export class Outflow {
  readonly #stream: Sink
  readonly #budget: Budget
  readonly #writes: InTurns<Outflow>
  readonly #onRoom: () => void
  /** Not handed to the stream yet. */
  readonly #frames = new Fifo<Uint8Array>()
  #bytes = 0
  /** Somebody was told that there is no room. */
  #awaited = false
  #over = false

  constructor(stream: Sink, { budget, writes, onRoom }: OutflowParts) {
    this.#stream = stream
    this.#budget = budget
    this.#writes = writes
    this.#onRoom = onRoom
    stream.on('drain', () => this.#look())
  }

  hasRoom(): boolean {
    const own = this.#bytes
    // Whose peer takes everything has room, however little others take.
    const crowded = own > 0 && this.#budget.fullFor(own)
    const hasRoom = !this.#stream.writableNeedDrain && own < OUTFLOW_BYTES_MAX && !crowded
    // Who was told that there is none hears when there is, whoever asked meanwhile.
    if (!hasRoom) this.#awaited = true
    return hasRoom
  }

  /** Also without room: what must be said is said. */
  write(frame: Uint8Array): void {
    const bytes = frame.byteLength
    this.#bytes += bytes
    this.#budget.take(bytes)
    this.#frames.push(frame)
    this.#writes.add(this)
  }

  /** Ends the stream behind what was written. */
  finish(): void {
    this.#writes.add(this)
  }

  /** It has its turn: one for each frame, and one for the end. */
  turn(): void {
    if (this.#over) return
    const frame = this.#frames.shift()
    if (frame === undefined) {
      this.#stream.end()
      return
    }
    const bytes = frame.byteLength
    this.#stream.write(frame, () => {
      if (this.#over) return
      this.#bytes -= bytes
      this.#budget.giveBack(bytes)
      this.#look()
    })
  }

  /** The stream is gone, and what it had not taken. */
  end(): void {
    if (this.#over) return
    this.#over = true
    this.#frames.drain()
    this.#budget.giveBack(this.#bytes)
  }

  #look(): void {
    if (!this.#awaited || this.#over || !this.hasRoom()) return
    this.#awaited = false
    this.#onRoom()
  }
}
