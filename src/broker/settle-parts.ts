/**
 * An ack, nack or extend of many deliveries is stored in parts: what one command names is applied in one turn, and a turn
 * is to be short. Parts are submitted one behind the other, and what became of them is one answer.
 */
import { SandglassError } from '../base/errors.ts'
import { ENTRY_MESSAGES_MAX } from '../base/limits.ts'
import type { AckCommand, ExtendCommand, NackCommand, TimerReply } from '../views/timer/commands.ts'
import type { Answer } from './lane.ts'

export type SettleCommand = AckCommand | NackCommand | ExtendCommand
export type Settled = Extract<TimerReply, { type: 'settled' }>

interface Heard {
  /** A part took effect: its places are those within the part, its deadline is its own. */
  readonly onPart: (settled: Settled) => void
  /** Called once, behind all parts. */
  readonly onDone: (answer: Answer) => void
}

/** `submit` answers each command exactly once, maybe before it returns. */
export function submitInParts<C extends SettleCommand>(
  command: C,
  submit: (part: C, done: (answer: Answer) => void) => void,
  heard: Heard,
): void {
  const { items } = command
  const parts = new Parts(Math.max(1, Math.ceil(items.length / ENTRY_MESSAGES_MAX)), heard)
  if (items.length <= ENTRY_MESSAGES_MAX) {
    submit(command, (answer) => parts.answered(0, answer))
    return
  }
  for (let from = 0; from < items.length; from += ENTRY_MESSAGES_MAX) {
    const part = { ...command, items: items.slice(from, from + ENTRY_MESSAGES_MAX) } as C
    submit(part, (answer) => parts.answered(from, answer))
  }
}

class Parts {
  readonly #heard: Heard
  readonly #lost: number[] = []
  #left: number
  #done = 0
  #settled: Extract<Answer, { type: 'reply' }> | undefined
  /** Of a part that did not take effect, or may have. */
  #other: Answer | undefined

  constructor(count: number, heard: Heard) {
    this.#left = count
    this.#heard = heard
  }

  /** `from`: where the part begins in the whole. */
  answered(from: number, answer: Answer): void {
    if (answer.type === 'reply' && answer.reply.type === 'settled') {
      const { reply } = answer
      this.#heard.onPart(reply)
      this.#settled = answer
      this.#done += reply.done
      for (const place of reply.lost) this.#lost.push(from + place)
    } else if (this.#other === undefined || isUnknown(answer)) this.#other = answer
    this.#left -= 1
    if (this.#left === 0) this.#heard.onDone(this.#whole())
  }

  #whole(): Answer {
    // Nothing took effect: what was refused may be asked again as if it had not been.
    if (this.#other !== undefined && this.#done === 0) return this.#other
    if (this.#other !== undefined || this.#settled === undefined) return { type: 'failed', error: partly(this.#other) }
    const { at, reply } = this.#settled
    return {
      type: 'reply',
      at,
      reply: { ...reply, type: 'settled', lost: this.#lost.sort(ascending), done: this.#done },
    }
  }
}

function ascending(a: number, b: number): number {
  return a - b
}

function isUnknown(answer: Answer): boolean {
  return answer.type === 'failed' && answer.error.outcome === 'unknown'
}

/** Some of it took effect: asking again is harmless for acks, and whoever holds a lease no more hears so. */
function partly(other: Answer | undefined): SandglassError {
  const cause = other?.type === 'failed' ? other.error : undefined
  return new SandglassError('COMMIT_UNKNOWN', 'Cannot tell what was settled: a part of it was', { cause })
}
