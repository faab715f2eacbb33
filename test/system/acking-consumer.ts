/** A consumer that acknowledges everything at once and notes what comes again although its ack was confirmed. */
import type { Delivery, SandglassClient } from '../../src/client/index.ts'

export class AckingConsumer {
  /** Values whose ack the cluster confirmed. */
  readonly acked = new Set<string>()
  readonly cameAgain: string[] = []
  readonly #deliveries: AsyncIterator<Delivery, undefined>
  #error: unknown

  constructor(client: SandglassClient, topic: string) {
    this.#deliveries = client.consumer({ topic, group: 'workers' })[Symbol.asyncIterator]()
    this.#run().catch((error: unknown) => {
      this.#error = error
    })
  }

  /** Rejects with what ended it before, if anything did. */
  async close(): Promise<void> {
    await this.#deliveries.return?.()
    if (this.#error !== undefined) throw this.#error
  }

  async #run(): Promise<void> {
    for (;;) {
      const { done, value: delivery } = await this.#deliveries.next()
      if (done === true) return
      const value = new TextDecoder().decode(delivery.value)
      if (this.acked.has(value)) this.cameAgain.push(value)
      delivery.ack().then(
        () => this.acked.add(value),
        () => 'not confirmed: it may come again',
      )
    }
  }
}
