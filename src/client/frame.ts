// Messages that travel under consecutive sequences, the same ones on every try.
import { SandglassError } from '../base/errors.ts'
import type { NewMessage, ProduceResponse } from '../wire/messages.ts'
import type { Init } from '../wire/wire.ts'

/** A message waiting for its answer. Exactly one of the two functions is called, once. */
export interface Item {
  readonly message: Init<NewMessage>
  readonly bytes: number
  /** By the monotonic clock. */
  readonly deadline: number
  stored(partition: number, dueMs: number, index: number): void
  failed(error: SandglassError): void
}

export class Frame {
  /** Sequence of the first message. */
  readonly first: number
  readonly items: readonly Item[]
  readonly bytes: number
  /** Of its first, hence oldest, message. */
  readonly deadline: number
  /** Tries without an answer yet. */
  pending = 0
  /** Some try may have been stored. Stays so unless a try succeeds. */
  unknown = false
  lastError: SandglassError | undefined

  constructor(first: number, items: readonly Item[]) {
    this.first = first
    this.items = items
    this.bytes = items.reduce((sum, item) => sum + item.bytes, 0)
    this.deadline = items[0]?.deadline ?? 0
  }

  stored(partition: number, response: ProduceResponse): void {
    for (const [at, item] of this.items.entries()) {
      const dueMs = response.dueMs[at]
      const index = response.index[at]
      if (dueMs === undefined || index === undefined) item.failed(tooShort())
      else item.stored(partition, dueMs, index)
    }
  }

  /** Answers that have not come by now will not be waited for. */
  abandonTries(): void {
    if (this.pending > 0) this.unknown = true
    this.pending = 0
  }

  /** The refusal names one message: it ends, and the others are left. undefined: it is of the whole frame. */
  refused(error: SandglassError): Frame | undefined {
    const place = Number(/^(?:request\.)?messages\[(\d+)\]/.exec(error.field ?? '')?.[1])
    const item = this.items[place]
    if (item === undefined || this.items.length === 1 || this.unknown || this.pending > 0) return undefined
    item.failed(error)
    return new Frame(
      this.first,
      this.items.filter((other) => other !== item),
    )
  }

  /** Ends its messages: with the refusal, or as unknown if any try may have been stored. */
  giveUp(error: SandglassError): void {
    const maybe = this.unknown || this.pending > 0
    const end = maybe && error.outcome !== 'unknown' ? unknownBecause(error) : error
    for (const item of this.items) item.failed(end)
  }
}

function unknownBecause(error: SandglassError): SandglassError {
  const text = `Cannot tell whether the message was stored: ${error.message}`
  return new SandglassError('COMMIT_UNKNOWN', text, { cause: error })
}

function tooShort(): SandglassError {
  return new SandglassError('COMMIT_UNKNOWN', 'Cannot tell where the message was stored: the answer is too short')
}
