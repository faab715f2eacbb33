/**
 * The open calls of a port, what they hold and how long they may take for it. At a bound the connection that has most gives
 * way, so that who takes little hardly notices those who take all they get.
 */
import type { Env } from '../../base/env.ts'
import { SandglassError } from '../../base/errors.ts'
import type { BookedCall, ClientCalls } from './client-calls.ts'
import { Overdue } from './overdue.ts'
import type { BoundName, Bounds } from './types.ts'

export class CallBook {
  readonly #bounds: Bounds
  readonly #onRefused: (bound: BoundName) => void
  /** Connections with open calls. */
  readonly #clients = new Set<ClientCalls>()
  /** Calls that owe a frame: the first of a stream, the rest of one that has begun, or the end after the answer. */
  readonly #frames: Overdue<BookedCall>
  /** Calls whose only request is not whole. */
  readonly #requests: Overdue<BookedCall>
  #streams = 0
  #held = 0

  constructor(env: Env, bounds: Bounds, onRefused: (bound: BoundName) => void) {
    this.#bounds = bounds
    this.#onRefused = onRefused
    this.#frames = new Overdue(env, bounds.frameMs, (call) => this.#late(call))
    this.#requests = new Overdue(env, bounds.unaryMs, (call) => this.#late(call))
  }

  get streams(): number {
    return this.#streams
  }

  get held(): number {
    return this.#held
  }

  /** False: there is no room for it, and nobody has to give way to it. */
  open(call: BookedCall): boolean {
    const { client } = call
    if (this.#streams >= this.#bounds.streams && !this.#makeRoomFor(client)) {
      this.#onRefused('streams')
      return false
    }
    this.#streams += 1
    this.#clients.add(client)
    client.opened(call)
    if (call.streaming) this.#frames.add(call)
    else this.#requests.add(call)
    return true
  }

  /** The only request of a call is whole; its answer has a deadline of its own. */
  whole(call: BookedCall): void {
    this.#requests.delete(call)
  }

  /** A frame has begun and is not whole. */
  frameBegun(call: BookedCall): void {
    if (call.streaming) this.#frames.add(call)
  }

  /** None is under way any more. */
  frameWhole(call: BookedCall): void {
    if (call.streaming) this.#frames.delete(call)
  }

  answered(call: BookedCall): void {
    this.#requests.delete(call)
    this.#frames.add(call)
    call.client.answered(call)
  }

  closed(call: BookedCall): void {
    const { client } = call
    this.hold(call, -call.held)
    this.#requests.delete(call)
    this.#frames.delete(call)
    client.closed(call)
    this.#streams -= 1
    if (client.size === 0) this.#clients.delete(client)
  }

  /** `more` bytes of it are here, or fewer. */
  hold(call: BookedCall, more: number): void {
    call.client.hold(call, more)
    this.#held += more
    while (this.#held > this.#bounds.unfinishedBytes) {
      const greedy = this.#most((client) => client.held)?.longestHolding
      if (greedy === undefined) return
      this.#onRefused('bytes')
      greedy.fail(overloaded('too many bytes of unfinished messages wait on this node'))
    }
  }

  close(): void {
    this.#frames.clear()
    this.#requests.clear()
  }

  #makeRoomFor(client: ClientCalls): boolean {
    // Who has his share already need not be compared with everybody.
    if (client.size * this.#clients.size >= this.#streams) return false
    const most = this.#most(({ size }) => size)
    const call = most?.leastOfUse
    if (most === undefined || most.size <= client.size + 1 || call === undefined) return false
    this.#onRefused('streams')
    call.fail(overloaded('too many streams are open on this node'))
    return true
  }

  #most(of: (client: ClientCalls) => number): ClientCalls | undefined {
    let most: ClientCalls | undefined
    for (const client of this.#clients) if (most === undefined || of(client) > of(most)) most = client
    return most
  }

  #late(call: BookedCall): void {
    if (!call.answered) this.#onRefused('time')
    call.fail(new SandglassError('DEADLINE', 'Cannot take the call: what was asked did not come in time'))
  }
}

export function overloaded(why: string): SandglassError {
  return new SandglassError('OVERLOADED', `Cannot take the call: ${why}`)
}
