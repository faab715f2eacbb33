// The client as users see it (docs/semantics.md).
import { type Consumer, type ConsumerOptions, createConsumer } from './consumer.ts'
import { type ConnectOptions, type Core, connectCore } from './core.ts'
import { createProducer, type Producer, type ProducerOptions } from './producer.ts'
import {
  checkSubscription,
  type Handler,
  type RunningSubscription,
  runHandler,
  type SubscribeOptions,
} from './subscribe.ts'
import { createTopics, type Topics } from './topics.ts'

/** A connection to a cluster. Everything it makes ends with close(). */
export class SandglassClient {
  readonly topics: Topics
  readonly #core: Core
  readonly #open = new Set<{ close(): Promise<void> }>()

  private constructor(core: Core) {
    this.#core = core
    this.topics = createTopics(core.calls, (topic) => core.routes.forget(topic))
  }

  /** Resolves when one of the addresses has answered. Rejects with INVALID or UNREACHABLE. */
  static async connect(options: ConnectOptions): Promise<SandglassClient> {
    return new SandglassClient(await connectCore(options))
  }

  /** Throws INVALID for a bad id. */
  producer(options: ProducerOptions = {}): Producer {
    return this.#tracked((onClosed) => createProducer({ ...this.#core, onClosed }, options))
  }

  /** Throws INVALID for a bad name or number; what fails later rejects in the iteration. */
  consumer(options: ConsumerOptions): Consumer {
    return this.#tracked((onClosed) => createConsumer({ ...this.#core, onClosed }, options))
  }

  /**
   * Runs `handler` on every message of the topic: returning acknowledges it, throwing lets it come again. Throws INVALID as
   * consumer() does.
   */
  subscribe(topic: string, options: SubscribeOptions, handler: Handler): RunningSubscription {
    checkSubscription(options, handler)
    const { group, name, channel, leaseMs, concurrency = 1 } = options
    const settings = { topic, group, name, channel, leaseMs, credit: 2 * concurrency }
    return this.#tracked((onClosed) =>
      runHandler(createConsumer({ ...this.#core, onClosed }, settings), handler, options),
    )
  }

  /** Flushes producers, settles and ends consumers, then closes the connections. Idempotent. */
  async close(): Promise<void> {
    const open = [...this.#open]
    this.#open.clear()
    const ends = await Promise.allSettled(open.map((part) => part.close()))
    this.#core.transport.close()
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  /** Closed with the client unless closed before. */
  #tracked<T extends { close(): Promise<void> }>(make: (onClosed: () => void) => T): T {
    const part: T = make(() => this.#open.delete(part))
    this.#open.add(part)
    return part
  }
}
