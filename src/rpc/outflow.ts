/**
 * What was written to a stream and its peer has not taken, in bytes: Node's own mark counts frames, of which sixteen may be
 * eight MiB. Bounded for the stream, and for all streams of the node, of which each may have as much as is still free,
 * and one frame in any case.
 */
import type { Writable } from 'node:stream'
import type { Budget } from '../base/budget.ts'
import { OUTFLOW_BYTES_MAX } from '../base/limits.ts'

export class Outflow {
  readonly #stream: Pick<Writable, 'write' | 'on' | 'writableNeedDrain'>
  readonly #budget: Budget
  readonly #onRoom: () => void
  #bytes = 0
  /** Somebody was told that there is no room. */
  #awaited = false
  #over = false

  /** `onRoom`: there is room again after {@link hasRoom} said that there is none. */
  constructor(
    stream: Pick<Writable, 'write' | 'on' | 'writableNeedDrain'>,
    { budget, onRoom }: { readonly budget: Budget; readonly onRoom: () => void },
  ) {
    this.#stream = stream
    this.#budget = budget
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
    this.#budget.giveBack(this.#bytes)
  }

  #look(): void {
    if (!this.#awaited || this.#over || !this.hasRoom()) return
    this.#awaited = false
    this.#onRoom()
  }
}
