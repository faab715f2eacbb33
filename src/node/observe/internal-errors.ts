/**
 * What clients were told as INTERNAL, in the log with its stack: a few lines a minute, and how many more there were, so
 * that whoever can provoke one cannot fill a disk with it. The words are ours; nothing of a request is among them.
 */
import type { Env, Timer } from '../../base/env.ts'
import type { Log } from './log.ts'

const LINES_MAX = 10
const WINDOW_MS = 60_000

export class InternalErrors {
  readonly #env: Env
  readonly #log: Log
  #noted = 0
  #window: Timer | undefined

  constructor(env: Env, log: Log) {
    this.#env = env
    this.#log = log
  }

  note(error: unknown): void {
    this.#window ??= this.#env.after(WINDOW_MS, () => this.#over())
    this.#noted += 1
    if (this.#noted > LINES_MAX) return
    const known = error instanceof Error ? error : new Error(String(error))
    this.#log.error('internal_error', { error: known.message, stack: known.stack })
  }

  close(): void {
    if (this.#window !== undefined) this.#over()
  }

  #over(): void {
    this.#window?.cancel()
    this.#window = undefined
    const count = this.#noted - LINES_MAX
    this.#noted = 0
    if (count > 0) this.#log.error('internal_errors_left_out', { count })
  }
}
