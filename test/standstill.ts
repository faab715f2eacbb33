/**
 * A process that may stand still (SIGSTOP, or starved). What reaches it meanwhile comes when it goes on, in the order of an event
 * loop: the timers that are due, then what its sockets hold, then what was put off to the end of the turn. One that was starved
 * while it waited for its sockets begins with those. Once it is over nothing happens any more.
 */
import type { Timer } from '../src/base/env.ts'
import type { VirtualTime } from './virtual-env.ts'

type Kind = 'timer' | 'arrival' | 'turn'

const ORDER: readonly Kind[] = ['timer', 'arrival', 'turn']
const SOCKETS_FIRST: readonly Kind[] = ['arrival', 'turn', 'timer']

interface Waiting {
  readonly kind: Kind
  readonly run: () => void
}

export class Standstill {
  readonly #time: VirtualTime
  #backlog: Waiting[] | undefined
  /** Of what waited, still to happen after it went on. */
  #left = 0
  #alive = true

  constructor(time: VirtualTime) {
    this.#time = time
  }

  get alive(): boolean {
    return this.#alive
  }

  after(ms: number, run: () => void): Timer {
    let cancelled = false
    const timer = this.#time.after(ms, () => this.enter('timer', () => cancelled || run()))
    return {
      cancel: () => {
        cancelled = true
        timer.cancel()
      },
    }
  }

  endOfTurn(run: () => void): void {
    this.#time.endOfTurn(() => this.enter('turn', run))
  }

  /** Now, when it goes on, or never. */
  enter(kind: Kind, run: () => void): void {
    if (this.#alive) this.#take(kind, () => this.#alive && run())
  }

  #take(kind: Kind, run: () => void): void {
    if (this.#backlog !== undefined) this.#backlog.push({ kind, run })
    // The turn ends when everything that waited has happened.
    else if (kind === 'turn' && this.#left > 0) this.#time.after(0, () => this.#take(kind, run))
    else run()
  }

  begin(): void {
    this.#backlog ??= []
  }

  end(socketsFirst = false): void {
    const order = socketsFirst ? SOCKETS_FIRST : ORDER
    const before = order.slice(0, order.indexOf('turn'))
    const backlog = this.#backlog ?? []
    this.#backlog = undefined
    const inOrder = order.flatMap((kind) => backlog.filter((waiting) => waiting.kind === kind))
    this.#left += backlog.filter(({ kind }) => before.includes(kind)).length
    for (const { kind, run } of inOrder) {
      this.#time.after(0, () => {
        if (before.includes(kind)) this.#left--
        this.#take(kind, run)
      })
    }
  }

  /** The process is gone: what waits never happens. */
  die(): void {
    this.#alive = false
    this.#backlog = undefined
  }
}
