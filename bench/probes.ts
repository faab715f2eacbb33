/**
 * Messages that come due one by one while something else happens, and a consumer that waits for them. Lateness is counted
 * from the due time to the consumer's hands, by the clock that the nodes on this machine have as well.
 */
import { eventually } from '../chaos/harness/deadline.ts'
import { type Delivery, type SandglassClient, SandglassError } from '../src/client/index.ts'
import { type Measured, Timings } from './loads.ts'

const EVERY_MS = 50
const LAST_MS = 60_000

export interface Probed extends Measured {
  /** Wall clock at which the first of them arrived, ms since 1970. */
  readonly firstAtMs: number
  /** 'ok', or what is wrong: some never came, or came too early. */
  readonly books: string
}

export class Probes {
  readonly #client: SandglassClient
  readonly #topic: string
  readonly #deliveries: AsyncIterator<Delivery>
  /** Due times by offset. */
  readonly #waiting = new Set<string>()
  #timings = new Timings()
  #firstAtMs = 0
  #early = 0
  #failed: unknown

  constructor(client: SandglassClient, topic: string, group: string) {
    this.#client = client
    this.#topic = topic
    this.#deliveries = client.consumer({ topic, group, name: 'probes' })[Symbol.asyncIterator]()
    this.#take().catch((error: unknown) => {
      this.#failed = error
    })
  }

  /** Stores one for every 50 ms of the time from `afterMs` from now on, `count` of them. */
  async send(count: number, afterMs: number): Promise<void> {
    this.#timings = new Timings()
    this.#firstAtMs = 0
    this.#early = 0
    const producer = this.#client.producer()
    const firstMs = Date.now() + afterMs
    const stored = await Promise.all(
      Array.from({ length: count }, (_, i) =>
        producer.produce(this.#topic, { value: 'probe', deliverAt: firstMs + i * EVERY_MS }),
      ),
    )
    for (const { offset } of stored) this.#waiting.add(offset)
    await producer.close()
  }

  /** Waits until all have come. */
  async end(): Promise<Probed> {
    const all = () => this.#failed !== undefined || this.#waiting.size === 0
    const came = await eventually('every probe', LAST_MS, all).catch(() => false)
    if (this.#failed !== undefined) throw this.#failed
    const missing = came ? '' : `${this.#waiting.size} never came `
    const early = this.#early === 0 ? '' : `${this.#early} came early`
    return { ...this.#timings.measured(1), firstAtMs: this.#firstAtMs, books: `${missing}${early}` || 'ok' }
  }

  async close(): Promise<void> {
    await this.#deliveries.return?.()
  }

  async #take(): Promise<void> {
    for (let next = await this.#deliveries.next(); next.done !== true; next = await this.#deliveries.next()) {
      const { value: delivery } = next
      const now = Date.now()
      // A second delivery, after a kill took the first's acknowledgement away, is no second first.
      if (this.#waiting.delete(delivery.offset)) {
        this.#firstAtMs ||= now
        if (now < delivery.dueMs) this.#early++
        this.#timings.add(now - delivery.dueMs)
      }
      // Its answer may be lost with a killed leader: it is delivered again then, which no book here counts.
      delivery.ack().catch((error: unknown) => {
        if (!(error instanceof SandglassError)) this.#failed ??= error
      })
    }
  }
}
