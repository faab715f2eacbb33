// A consumer with a handler: what it returns from is acknowledged, what it throws at comes again.
import { SandglassError } from '../base/errors.ts'
import { NACK_REASON_CHARS_MAX } from '../base/limits.ts'
import { checkFunction, checkObject, checkWhole } from './checks.ts'
import { CREDIT_MAX, type StoppableConsumer } from './consumer.ts'
import type { Delivery } from './delivery.ts'

export type Handler = (delivery: Delivery) => unknown

export interface SubscribeOptions {
  readonly group: string
  /** Handlers at work at a time, 1 to 50,000. Default 1. */
  readonly concurrency?: number | undefined
  readonly name?: string | undefined
  readonly channel?: string | undefined
  readonly leaseMs?: number | undefined
  /** Hears what the handler threw, what could not be settled, and why the subscription ended if it did so by itself. */
  readonly onError?: ((error: unknown) => void) | undefined
}

export interface RunningSubscription {
  /** Lets running handlers finish, then ends. Rejects with what ended it before, if anything did. */
  close(): Promise<void>
}

const RETRY_FIRST_MS = 100
const RETRY_LAST_MS = 30_000

/** Of what a consumer does not check itself. Throws INVALID. */
export function checkSubscription(options: SubscribeOptions, handler: Handler): void {
  checkObject(options, 'options')
  checkFunction(handler, 'handler')
  checkWhole(options.concurrency ?? 1, 'concurrency', { min: 1, max: CREDIT_MAX / 2 })
  if (options.onError !== undefined) checkFunction(options.onError, 'onError')
}

/** Runs `handler` on every delivery of `consumer`. */
export function runHandler(
  consumer: StoppableConsumer,
  handler: Handler,
  options: SubscribeOptions,
): RunningSubscription {
  const deliveries = consumer[Symbol.asyncIterator]()
  const onError = options.onError ?? (() => undefined)

  async function work(): Promise<void> {
    for (;;) {
      const next = await deliveries.next()
      if (next.done) return
      await handle(next.value)
    }
  }

  async function handle(delivery: Delivery): Promise<void> {
    try {
      await handler(delivery)
    } catch (error) {
      onError(error)
      await settle(delivery.nack({ delayMs: retryDelay(delivery.deliveryCount), reason: textOf(error) }))
      return
    }
    await settle(delivery.ack())
  }

  /** A delivery that could not be settled comes again: nothing to end the subscription for. */
  async function settle(settled: Promise<void>): Promise<void> {
    try {
      await settled
    } catch (error) {
      if (!(error instanceof SandglassError)) throw error
      onError(error)
    }
  }

  const workers = Promise.all(Array.from({ length: options.concurrency ?? 1 }, work))
  // close() rejects with it as well, to whoever calls that.
  workers.catch(onError)
  return {
    async close() {
      consumer.stop()
      try {
        await workers
      } finally {
        await consumer.close()
      }
    },
  }
}

/** A message that fails again and again must not keep everybody busy. */
function retryDelay(deliveryCount: number): number {
  return Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(deliveryCount - 1, 20))
}

/** As much as a nack takes; whatever is thrown, the message comes again. */
function textOf(error: unknown): string {
  const text: unknown = error instanceof Error ? error.message : error
  if (typeof text !== 'string') return `a ${typeof error} was thrown`
  return [...text.slice(0, 2 * NACK_REASON_CHARS_MAX)].slice(0, NACK_REASON_CHARS_MAX).join('')
}
