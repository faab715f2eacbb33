// Consuming: one session a partition (partition-consumer.ts), their deliveries in one queue, handed out in the order they
// came. The queue is bounded by the credit that the sessions share.
import type { Env } from '../base/env.ts'
import { invalid, SandglassError } from '../base/errors.ts'
import { Fifo } from '../base/fifo.ts'
import { DELAY_MS_MAX } from '../base/limits.ts'
import { checkName, checkPartition } from '../wire/fields.ts'
import { checkObject, checkWhole } from './checks.ts'
import type { Delivery, HeldDelivery } from './delivery.ts'
import { PartitionConsumer, type SessionEvent, type Subscription } from './partition-consumer.ts'
import type { Routes } from './routes.ts'
import type { Transport } from './transport.ts'

export interface ConsumerOptions {
  readonly topic: string
  readonly group: string
  /** Within the group; a second consumer of the same name replaces the first. Default: random. */
  readonly name?: string | undefined
  /** Default: `master`. */
  readonly channel?: string | undefined
  /** Default: all. */
  readonly partitions?: readonly number[] | undefined
  /** Default: the node's. */
  readonly leaseMs?: number | undefined
  /** Deliveries in hand at most, over all partitions (each has one at least). Default 256. */
  readonly credit?: number | undefined
}

/** Deliveries, as long as somebody asks for them. Starts when iterated; leaving the loop closes it. */
export interface Consumer extends AsyncIterable<Delivery> {
  /** Settles what was asked for, gives back what is not settled, ends. */
  close(): Promise<void>
}

export interface StoppableConsumer extends Consumer {
  /** Hands out nothing more; what was handed out can still be settled until close(). */
  stop(): void
}

export interface ConsumerContext {
  readonly env: Env
  readonly transport: Transport
  readonly routes: Routes
  readonly timeoutMs: number
  /** For tools: whether every partition has handed out all that is due. Called when that changes. */
  readonly onCaughtUp?: (is: boolean) => void
  /** For tools: a partition's stream stands or broke. */
  readonly onSession?: (event: SessionEvent) => void
  readonly onClosed?: () => void
}

const CREDIT_DEFAULT = 256
export const CREDIT_MAX = 100_000
const SESSION_BYTES = 16

/** Throws INVALID for names and numbers out of their limits. */
export function createConsumer(context: ConsumerContext, options: ConsumerOptions): StoppableConsumer {
  checkObject(options, 'options')
  checkName(options.topic, 'topic', { reserved: true })
  checkName(options.group, 'group', { reserved: false })
  if (options.name !== undefined) checkName(options.name, 'name', { reserved: false })
  if (options.channel !== undefined) checkName(options.channel, 'channel', { reserved: true })
  const { credit = CREDIT_DEFAULT, leaseMs = 0, partitions = [] } = options
  checkWhole(credit, 'credit', { min: 1, max: CREDIT_MAX })
  checkWhole(leaseMs, 'leaseMs', { min: 0, max: DELAY_MS_MAX })
  if (!Array.isArray(partitions)) throw invalid('partitions', 'Cannot take partitions: not an array')
  for (const partition of partitions) checkPartition(partition, 'partitions')
  return new QueueConsumer(context, options)
}

type Next = IteratorResult<Delivery, undefined>

interface Reader {
  resolve(next: Next): void
  reject(error: unknown): void
}

class QueueConsumer implements StoppableConsumer {
  readonly #context: ConsumerContext
  readonly #options: ConsumerOptions
  readonly #partitions = new Map<number, PartitionConsumer>()
  readonly #behind = new Set<number>()
  #caughtUp = false
  /** Not handed out yet. */
  readonly #queue = new Fifo<HeldDelivery>()
  readonly #readers = new Fifo<Reader>()
  #state: 'new' | 'running' | 'stopped' | 'closed' = 'new'
  #error: unknown

  constructor(context: ConsumerContext, options: ConsumerOptions) {
    this.#context = context
    this.#options = options
  }

  [Symbol.asyncIterator](): AsyncIterator<Delivery, undefined> {
    if (this.#state === 'new') {
      this.#state = 'running'
      this.#start().catch((error: unknown) => this.#fail(error))
    }
    return {
      next: () => this.#next(),
      return: async () => {
        await this.close()
        return DONE
      },
    }
  }

  stop(): void {
    if (this.#state === 'closed') return
    this.#state = 'stopped'
    for (const reader of this.#readers.drain()) reader.resolve(DONE)
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.stop()
    this.#state = 'closed'
    this.#context.onClosed?.()
    await Promise.all(Array.from(this.#partitions.values(), (partition) => partition.close()))
  }

  #next(): Promise<Next> {
    if (this.#error !== undefined) return Promise.reject(this.#error)
    if (this.#state === 'closed' || this.#state === 'stopped') return Promise.resolve(DONE)
    const value = this.#takeHead()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }))
  }

  /** The oldest delivery that still counts as held. */
  #takeHead(): Delivery | undefined {
    for (let held = this.#queue.shift(); held !== undefined; held = this.#queue.shift()) {
      if (this.#partitions.get(held.partition)?.take(held)) return held
    }
    return undefined
  }

  async #start(): Promise<void> {
    const { env, routes } = this.#context
    const { topic, group, channel = '', leaseMs = 0, credit = CREDIT_DEFAULT } = this.#options
    const route = await routes.topic(topic)
    if (this.#state !== 'running') return
    const partitions = this.#options.partitions ?? Array.from(route.leaders.keys())
    const consumer = this.#options.name ?? `c-${Buffer.from(env.randomBytes(6)).toString('hex')}`
    const session = env.randomBytes(SESSION_BYTES)
    if (partitions.length === 0) throw invalid('partitions', 'Cannot consume: no partition is named')
    for (const partition of partitions) this.#checkPartition(partition, route.leaders.length)
    for (const partition of partitions) this.#behind.add(partition)
    for (const [at, partition] of [...this.#behind].entries()) {
      const share = Math.max(1, Math.floor((credit + at) / this.#behind.size))
      this.#open({ topic, partition, channel, group, consumer, session, leaseMs, credit: share })
    }
  }

  #checkPartition(partition: number, count: number): void {
    if (Number.isInteger(partition) && partition >= 0 && partition < count) return
    throw invalid('partitions', `Cannot take partition ${partition}: the topic has ${count}`)
  }

  #open(subscription: Subscription): void {
    const { env, transport, routes, timeoutMs } = this.#context
    const { topic, partition } = subscription
    this.#partitions.set(
      partition,
      new PartitionConsumer(
        {
          env,
          timeoutMs,
          leader: () => routes.known(topic)?.leaders[partition],
          leaderLost: (hint) => this.#leaderLost(topic, partition, hint),
          open: (addr, events) => transport.consume(addr, events),
          deliver: (deliveries) => this.#deliver(deliveries),
          caughtUp: (is) => this.#markCaughtUp(partition, is),
          withdrawn: () => this.#compact(),
          session: (event) => this.#context.onSession?.(event),
          failed: (error) => this.#fail(error),
        },
        subscription,
      ),
    )
  }

  #leaderLost(topic: string, partition: number, hint: string | undefined): void {
    const { routes } = this.#context
    routes.moved(topic, partition, hint)
    if (hint !== undefined) return
    routes.refresh(topic).catch((error: unknown) => {
      // A deleted topic has nothing more to give; whatever else is wrong, the sessions try again.
      if (error instanceof SandglassError && error.reason === 'TOPIC_NOT_FOUND') this.#fail(error)
    })
  }

  #deliver(deliveries: readonly HeldDelivery[]): void {
    if (this.#state !== 'running') return
    for (const held of deliveries) this.#queue.push(held)
    while (this.#readers.length > 0) {
      const value = this.#takeHead()
      if (value === undefined) return
      this.#readers.shift()?.resolve({ done: false, value })
    }
  }

  /** Forgets what can no longer be handed out, so that the queue stays within the credit. */
  #compact(): void {
    for (const held of this.#queue.drain()) if (held.state === 'buffered') this.#queue.push(held)
  }

  #markCaughtUp(partition: number, is: boolean): void {
    if (is) this.#behind.delete(partition)
    else this.#behind.add(partition)
    const caughtUp = this.#behind.size === 0
    if (caughtUp === this.#caughtUp) return
    this.#caughtUp = caughtUp
    this.#context.onCaughtUp?.(caughtUp)
  }

  #fail(error: unknown): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#error = error
    this.#context.onClosed?.()
    for (const reader of this.#readers.drain()) reader.reject(error)
    for (const partition of this.#partitions.values()) {
      if (isGone(error)) {
        partition.abort(error)
        continue
      }
      // It failed for one; the others end as they can, and the reader hears of the first error.
      partition.close().catch((later: unknown) => {
        this.#error ??= later
      })
    }
  }
}

/** With the topic everything ends: no ack of it can be answered any more. */
function isGone(error: unknown): error is SandglassError {
  return error instanceof SandglassError && error.reason === 'TOPIC_NOT_FOUND'
}

const DONE = { done: true, value: undefined } as const
