/** One broker over one in-memory partition in virtual time, with consumers that remember what they got. */
import type { SandglassError } from '../../src/base/errors.ts'
import { createBroker } from '../../src/broker/broker.ts'
import type { BrokerEvent } from '../../src/broker/config.ts'
import type { DeliveredMessage } from '../../src/broker/dispatcher/groups/live-session.ts'
import {
  createDispatchMemory,
  type DispatchBounds,
  type DispatchMemory,
} from '../../src/broker/dispatcher/memory/dispatch-memory.ts'
import type { Answer } from '../../src/broker/lane.ts'
import type { Partition } from '../../src/broker/partition.ts'
import type { DeliveryBatch, Session, SessionSink, SessionSpec } from '../../src/broker/session.ts'
import type { TopicStats } from '../../src/broker/stats.ts'
import type { Broker, BrokerStats } from '../../src/broker/types.ts'
import type { Held, NewMessage, Position } from '../../src/views/timer/commands.ts'
import { type VirtualEnv, VirtualTime } from '../virtual-env.ts'
import { FakeDirectory, PARTITION } from './fake-directory.ts'
import { MemoryHandle } from './memory-handle.ts'
import { SlowReader } from './slow-reader.ts'

const CONFIG = { leaseMs: 30_000, reattachMs: 5000, maxClockSkewMs: 2000 }

export class Harness {
  readonly time: VirtualTime
  readonly env: VirtualEnv
  readonly handle = new MemoryHandle()
  readonly directory = new FakeDirectory()
  readonly events: BrokerEvent[] = []
  readonly memory: DispatchMemory
  broker: Broker

  constructor(options: { seed?: number; ready?: boolean; memory?: DispatchBounds } = {}) {
    this.time = new VirtualTime(options.seed)
    this.env = this.time.env()
    if (options.ready === false) this.handle.change({ ready: false })
    this.memory = createDispatchMemory(options.memory)
    this.broker = this.newBroker()
  }

  get partition(): Partition {
    for (const partition of this.broker.partitions()) return partition
    throw new Error('no partition is attached')
  }

  newBroker(): Broker {
    const { env, directory } = this
    const broker = createBroker({
      env,
      directory,
      config: CONFIG,
      memory: this.memory,
      onEvent: (event) => this.events.push(event),
    })
    this.handle.wallMs = () => env.wallMs()
    broker.attachGroup(PARTITION, this.handle)
    return broker
  }

  get topic(): TopicStats | undefined {
    return surveyed(this.broker).topics.get('orders')
  }

  /** From now on rows are read through one that may be slow or find damage. */
  slowReader(): SlowReader {
    const reader = new SlowReader(this.handle.store)
    this.handle.reader = reader
    this.handle.change({ term: this.handle.status().term + 1 })
    return reader
  }

  /** Another node takes over: leadership goes and comes back under a new term. */
  takeOver(): void {
    const { term } = this.handle.status()
    this.handle.change({ role: 'follower', ready: false })
    this.handle.change({ role: 'leader', ready: true, term: term + 1 })
  }

  /** `count` messages in one command; resolves the answer. */
  produce(count = 1, message: Partial<NewMessage> = {}): Promise<Answer> {
    const messages = Array.from({ length: count }, () => ({ channel: 'master', body: Buffer.from('body'), ...message }))
    return new Promise((resolve) => this.partition.produce({ type: 'produce', messages }, resolve))
  }

  async produced(count = 1, message: Partial<NewMessage> = {}): Promise<readonly Position[]> {
    const answer = await this.time.during(this.produce(count, message))
    if (answer.type === 'failed' || answer.reply.type !== 'produced') throw new Error(`not stored: ${answer.type}`)
    return answer.reply.positions
  }

  consumer(name: string, spec: Partial<SessionSpec> = {}, options: { ack?: boolean } = {}): Consumer {
    return new Consumer(this.partition, name, spec, options.ack ?? false)
  }
}

/** What the broker counted, without a pause. */
export function surveyed(broker: Broker): BrokerStats {
  const steps = broker.survey()
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** A bound on how far first deliveries were behind their due times, ms; 0 without any. */
export function latestMs(broker: Broker): number {
  const { bounds, counts } = surveyed(broker).topics.get('orders')?.lateness ?? { bounds: [], counts: [] }
  const last = counts.findLastIndex((count) => count > 0)
  return last < 0 ? 0 : (bounds[last] ?? Number.POSITIVE_INFINITY) * 1000
}

export class Consumer implements SessionSink {
  readonly session: Session
  readonly got: DeliveredMessage[] = []
  readonly batches: DeliveryBatch[] = []
  readonly answers: { id: number; lost: readonly number[]; error?: SandglassError }[] = []
  readonly marks: number[] = []
  readonly caughtUpAt: number[] = []
  attached: { cursor: Position; kept: readonly Held[] } | undefined
  ended: SandglassError | undefined
  full = false
  readonly #ack: boolean

  constructor(partition: Partition, name: string, spec: Partial<SessionSpec>, ack: boolean) {
    this.#ack = ack
    const session = Buffer.from(name.padEnd(16, '.')).toString('hex')
    const base = { channel: 'master', group: 'g', consumer: name, session, leaseMs: 30_000, credit: 100 }
    this.session = partition.subscribe({ ...base, start: { type: 'earliest' }, ...spec }, this)
  }

  get held(): Held[] {
    return this.got.map(({ index, fence }) => ({ index, fence }))
  }

  get indexes(): number[] {
    return this.got.map(({ index }) => index)
  }

  writable(): boolean {
    return !this.full
  }

  subscribed(cursor: Position, kept: readonly Held[]): void {
    this.attached = { cursor, kept }
  }

  deliveries(batch: DeliveryBatch): void {
    this.batches.push(batch)
    this.got.push(...batch.messages)
    if (this.#ack) this.session.ack(0, batch.messages)
  }

  settled(id: number, lost: readonly number[], error?: SandglassError): void {
    this.answers.push({ id, lost, ...(error && { error }) })
  }

  mark(id: number): void {
    this.marks.push(id)
  }

  caughtUp(at: number): void {
    this.caughtUpAt.push(at)
  }

  end(error: SandglassError): void {
    this.ended = error
  }
}
