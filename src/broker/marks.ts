/**
 * Echoes consumers' signs of life only after a quorum confirmed this leader (architecture §6): a stream counts its leases
 * from the newest mark echoed, so a leader that was deposed unknowingly must not echo. One read is in flight at a time;
 * marks that come meanwhile share the next.
 */
import type { TimerHandle } from './timer-handle.ts'

export interface MarkReceiver {
  echo(mark: number): void
}

export class QuorumMarks {
  readonly #read: TimerHandle['read']
  #waiting = new Map<MarkReceiver, number>()
  #reading = false

  constructor(read: TimerHandle['read']) {
    this.#read = read
  }

  mark(receiver: MarkReceiver, mark: number): void {
    this.#waiting.set(receiver, Math.max(mark, this.#waiting.get(receiver) ?? 0))
    if (!this.#reading) this.#next()
  }

  forget(receiver: MarkReceiver): void {
    this.#waiting.delete(receiver)
  }

  #next(): void {
    if (this.#waiting.size === 0) return
    const confirmed = this.#waiting
    this.#waiting = new Map()
    this.#reading = true
    this.#read((outcome) => {
      this.#reading = false
      // Without a quorum there is no echo; the client's next mark tries again.
      if (outcome.type === 'ok') for (const [receiver, mark] of confirmed) receiver.echo(mark)
      this.#next()
    })
  }
}
