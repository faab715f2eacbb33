/** Consume streams whose leader is the test: it sees every request and says every answer. */
import type { SandglassError } from '../../src/base/errors.ts'
import type { ConsumeLink, LinkEvents } from '../../src/client/transport.ts'
import type { Body, ConsumeRequest, ConsumeResponse } from '../../src/wire/messages.ts'
import { createClientWire, type Init } from '../../src/wire/wire.ts'
import { FakeCluster } from './fake-cluster.ts'

const codec = createClientWire().codec('ConsumeResponse')

/** One stream as the leader sees it; the test is the leader. */
class Stream {
  readonly addr: string
  readonly requests: Init<ConsumeRequest>[] = []
  readonly #events: LinkEvents<ConsumeResponse>
  finished = false
  cancelled = false
  echoing = true

  constructor(addr: string, events: LinkEvents<ConsumeResponse>) {
    this.addr = addr
    this.#events = events
  }

  link(): ConsumeLink {
    return {
      send: (request) => {
        this.requests.push(request)
        if (request.mark && this.echoing) this.say({ mark: request.mark })
      },
      finish: () => {
        this.finished = true
      },
      cancel: () => {
        this.cancelled = true
      },
    }
  }

  say(response: Init<ConsumeResponse>): void {
    if (!this.cancelled) this.#events.message(codec.decode(codec.encode(response)))
  }

  end(error: SandglassError): void {
    if (!this.cancelled) this.#events.ended(error)
  }

  get subscribe(): Init<NonNullable<ConsumeRequest['subscribe']>> | undefined {
    return this.requests.find((r) => r.subscribe)?.subscribe ?? undefined
  }

  get lastMark(): number {
    return this.requests.filter((r) => r.mark).at(-1)?.mark?.id ?? 0
  }

  deliver(indexes: readonly number[], options: { leaseMs?: number; mark?: number } = {}): void {
    const { leaseMs = 30_000, mark = this.lastMark } = options
    const body: Init<Body> = { value: Buffer.from('x') }
    const deliveries = indexes.map((index) => ({ dueMs: 1000, index, fence: 100 + index, count: 1, body }))
    this.say({ deliveries: { deliveredMs: 1001, leaseMs, mark, deliveries } })
  }
}

/** Remembers the streams that were opened, the newest last. */
export class Leaders extends FakeCluster {
  readonly streams: Stream[] = []
  override consume(addr: string, events: LinkEvents<ConsumeResponse>): ConsumeLink {
    const stream = new Stream(addr, events)
    this.streams.push(stream)
    return stream.link()
  }
  get last(): Stream {
    const stream = this.streams.at(-1)
    if (stream === undefined) throw new Error('no stream was opened')
    return stream
  }
}
