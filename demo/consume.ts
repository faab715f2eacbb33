/** One of the demo's consumers: acknowledges, but nacks or drops 2 % of first deliveries on purpose. */
import { createHash } from 'node:crypto'
import { SandglassError } from '../src/base/errors.ts'
import { createConsumer } from '../src/client/consumer.ts'
import type { Core } from '../src/client/core.ts'
import type { Delivery } from '../src/client/index.ts'
import type { SessionEvent } from '../src/client/partition-consumer.ts'
import type { FILES, Line } from './records.ts'
import type { Tally } from './tally.ts'

const GROUP = 'workers'
const LEASE_MS = 5000
/** `reattach_ms` of the demo's nodes. */
export const GRACE_MS = 5000
const CREDIT = 240
const NACK_SHARE = 0.01
const DROP_SHARE = 0.01
const NACK_DELAY_MS = 500
const UNANSWERED: ReadonlySet<string> = new Set(['COMMIT_UNKNOWN', 'UNREACHABLE'])

export interface ConsumeOptions {
  /** The client's own parts: `onSession` is not public. */
  readonly core: Core
  readonly topic: string
  readonly name: string
  /** Shared by all consumers: when every task is in `acked`, the work is done. */
  readonly seen: { readonly acked: Set<number>; readonly total: number }
  readonly tally: Tally
  /** The demo is over. */
  readonly stopped: () => boolean
  write(file: keyof typeof FILES, line: Line): void
}

export interface Worker {
  /** Resolves when this consumer acknowledged the group's last task; rejects when it fails. */
  readonly sawAll: Promise<void>
  stop(): void
}

export function consume(options: ConsumeOptions): Worker {
  const { core, name, topic, write } = options
  const onSession = ({ type, partition, atMs, confirmedMs }: SessionEvent) =>
    write('delivered', {
      type: 'session',
      consumer: name,
      partition,
      event: type,
      atMs,
      confirmedMs,
      graceMs: GRACE_MS,
    })
  const consumer = createConsumer(
    { ...core, onSession },
    { topic, group: GROUP, name, leaseMs: LEASE_MS, credit: CREDIT },
  )
  const deliveries = consumer[Symbol.asyncIterator]()
  const stop = () => void deliveries.return?.()
  const sawAll = new Promise<void>((done, failed) => {
    const loop = async () => {
      for (let next = await deliveries.next(); next.done !== true; next = await deliveries.next()) {
        handle(options, next.value).then(() => {
          if (options.seen.acked.size === options.seen.total) done()
        }, failed)
      }
    }
    loop().catch(failed)
  })
  return { sawAll, stop }
}

async function handle(options: ConsumeOptions, delivery: Delivery): Promise<void> {
  const { tally, write } = options
  const receivedMs = Date.now()
  const task = taskOf(delivery)
  const answer = delivery.deliveryCount > 1 ? 'ack' : plan(task)
  const { offset, partition, dueMs, deliveredMs, deliveryCount, fence } = delivery
  write('delivered', {
    type: 'delivered',
    task,
    offset,
    partition,
    consumer: options.name,
    dueMs,
    deliveredMs,
    receivedMs,
    deliveryCount,
    fence,
    leaseMs: LEASE_MS,
    answer,
  })
  tally.delivered += 1
  if (deliveryCount > 1) tally.redelivered += 1
  else tally.late(receivedMs - dueMs)
  if (answer === 'drop') return
  if (answer === 'nack') {
    // Whatever became of it: it comes again, and that delivery counts.
    await delivery.nack({ delayMs: NACK_DELAY_MS, reason: 'on purpose' }).catch(() => undefined)
    return
  }
  // The lease was lost with its leader or by time: the task comes again, and that delivery counts.
  if (!(await acked(options, task, delivery))) return
  write('acked', { type: 'acked', task, offset, fence, ackedMs: Date.now() })
  tally.acked += 1
  options.seen.acked.add(task)
}

/**
 * Whether an ack counted. One that nobody answered in time may have, and its task would never come again: it is asked again
 * until it is answered, as the first one was.
 */
async function acked({ write, stopped }: ConsumeOptions, task: number, delivery: Delivery): Promise<boolean> {
  while (!stopped()) {
    try {
      await delivery.ack()
      return true
    } catch (error) {
      if (!(error instanceof SandglassError) || !UNANSWERED.has(error.reason)) return false
      write('acked', { type: 'unanswered', task, fence: delivery.fence, atMs: Date.now() })
    }
  }
  return false
}

function taskOf(delivery: Delivery): number {
  const value: unknown = JSON.parse(new TextDecoder().decode(delivery.value))
  if (typeof value === 'object' && value !== null && 'task' in value && typeof value.task === 'number')
    return value.task
  throw new Error(`not a task: ${delivery.offset}`)
}

/** The same for the same task in every run. */
function plan(task: number): 'ack' | 'nack' | 'drop' {
  const roll = createHash('sha256').update(`plan/${task}`).digest().readUInt32BE(0) / 2 ** 32
  if (roll < NACK_SHARE) return 'nack'
  return roll < NACK_SHARE + DROP_SHARE ? 'drop' : 'ack'
}
