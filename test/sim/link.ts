/** A client's connection to one process: both directions keep their order, take their time, and end together. */
import type { VirtualTime } from '../virtual-env.ts'
import type { SimEnv } from './sim-env.ts'

interface LinkParts {
  readonly time: VirtualTime
  /** Of the process at the other end. */
  readonly env: SimEnv
  readonly delayMs: () => number
}

export class Link {
  readonly #parts: LinkParts
  readonly #ended: () => void
  readonly #cleanUp: () => void
  #open = true
  #toServerMs = 0
  #toClientMs = 0

  /** `ended` tells the client, `cleanUp` the server, each after a while. */
  constructor(parts: LinkParts, events: { readonly ended: () => void; readonly cleanUp: () => void }) {
    this.#parts = parts
    this.#ended = events.ended
    this.#cleanUp = events.cleanUp
  }

  get open(): boolean {
    return this.#open
  }

  get env(): SimEnv {
    return this.#parts.env
  }

  toServer(run: () => void): void {
    const { time, env, delayMs } = this.#parts
    if (!this.#open) return
    this.#toServerMs = Math.max(this.#toServerMs, time.nowMs + delayMs())
    time.after(this.#toServerMs - time.nowMs, () => env.enter(() => this.#open && run()))
  }

  toClient(run: () => void): void {
    const { time, delayMs } = this.#parts
    if (!this.#open) return
    this.#toClientMs = Math.max(this.#toClientMs, time.nowMs + delayMs())
    time.after(this.#toClientMs - time.nowMs, () => {
      if (this.#open) run()
    })
  }

  /** It breaks: what is under way is lost, both ends hear of it. */
  break(): void {
    if (!this.#open) return
    this.#open = false
    const { time, env, delayMs } = this.#parts
    time.after(delayMs(), () => env.enter(() => this.#cleanUp()))
    time.after(delayMs(), () => this.#ended())
  }
}
