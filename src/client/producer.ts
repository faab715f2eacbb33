// Producing: chooses each message's partition once, collects what comes in one turn into one frame a partition, and
// waits while too much is unanswered. Sequences and retries are the lanes' (lane.ts).
import type { Env } from '../base/env.ts'
import { invalid, SandglassError } from '../base/errors.ts'
import { Fifo } from '../base/fifo.ts'
import { encodeOffset } from '../base/offset.ts'
import { checkName } from '../wire/fields.ts'
import type { Partitioner } from '../wire/partition.ts'
import { checkObject } from './checks.ts'
import type { Item } from './frame.ts'
import { Lane } from './lane.ts'
import { type Message, type Prepared, prepare } from './message.ts'
import { ProduceLinks } from './produce-links.ts'
import type { Route, Routes } from './routes.ts'
import type { Transport } from './transport.ts'

/** Where a message was stored: for ever found under `offset`. */
export interface Produced {
  readonly offset: string
  readonly partition: number
  readonly index: number
  /** Ms since 1970 UTC, in the leader's time. */
  readonly dueMs: number
}

export interface ProducerOptions {
  /**
   * 1 to 64 bytes or characters; default: random. Give one only to repeat, after a crash, the very same messages in
   * the same order to the same partitions: a repeat is then answered, not stored again.
   */
  readonly id?: string | Uint8Array | undefined
}

export interface Producer {
  /**
   * Stores one message; resolves once a majority has it. Retries by itself until the client's timeout. Rejects with a
   * SandglassError: `outcome` 'refused' means surely not stored, 'unknown' that it may have been.
   */
  produce(topic: string, message: Message): Promise<Produced>
  /** Resolves when nothing is unanswered. */
  flush(): Promise<void>
  /** flush(), then the end: later calls are refused. */
  close(): Promise<void>
}

export interface ProducerContext {
  readonly env: Env
  readonly transport: Transport
  readonly routes: Routes
  readonly partitioner: Partitioner
  readonly timeoutMs: number
  readonly onClosed?: () => void
}

/** Taken from callers and unanswered; beyond it produce() calls wait for their turn. */
const ADMITTED_BYTES_MAX = 64 * 1024 * 1024
const PRODUCER_ID_BYTES_MAX = 64

/** Throws INVALID for an id that is empty or too long. */
export function createProducer(context: ProducerContext, options: ProducerOptions = {}): Producer {
  checkObject(options, 'options')
  return new LaneProducer(context, producerId(options.id))
}

function producerId(id: ProducerOptions['id']): Uint8Array | undefined {
  if (id === undefined) return undefined
  const bytes: unknown = typeof id === 'string' ? Buffer.from(id) : id
  if (!(bytes instanceof Uint8Array) || bytes.length < 1 || bytes.length > PRODUCER_ID_BYTES_MAX) {
    throw invalid('id', `Cannot take producer id: must have 1 to ${PRODUCER_ID_BYTES_MAX} bytes`)
  }
  return bytes
}

/** The lanes of one topic; `waiting` until its partitions are known. */
interface TopicLanes {
  lanes: Lane[] | undefined
  waiting: Entry[]
  next: number
}

interface Entry extends Item {
  readonly prepared: Prepared
  readonly partition: number | undefined
}

class LaneProducer implements Producer {
  readonly #context: ProducerContext
  readonly #id: Uint8Array | undefined
  readonly #links: ProduceLinks
  readonly #topics = new Map<string, TopicLanes>()
  readonly #dirty = new Set<Lane>()
  /** produce() calls that wait for room, in order. */
  readonly #queue = new Fifo<{ readonly topic: string; readonly entry: Entry }>()
  #admittedBytes = 0
  #unsettled = 0
  #flushes: (() => void)[] = []
  #turnOpen = false
  #closed = false

  constructor(context: ProducerContext, id: Uint8Array | undefined) {
    this.#context = context
    this.#id = id
    this.#links = new ProduceLinks(context.env, context.transport)
  }

  produce(topic: string, message: Message): Promise<Produced> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new SandglassError('SHUTTING_DOWN', 'Cannot produce: the producer is closed')
      checkName(topic, 'topic', { reserved: true })
      const prepared = prepare(message)
      this.#unsettled++
      const entry: Entry = {
        prepared,
        partition: message.partition,
        message: prepared.message,
        bytes: prepared.bytes,
        deadline: this.#context.env.monoMs() + this.#context.timeoutMs,
        stored: (partition, dueMs, index) => {
          resolve({ offset: encodeOffset({ due: dueMs, index, partition }), partition, index, dueMs })
          this.#settled(prepared.bytes)
        },
        failed: (error) => {
          reject(error)
          this.#settled(prepared.bytes)
        },
      }
      if (this.#admittedBytes < ADMITTED_BYTES_MAX && this.#queue.length === 0) this.#admit(topic, entry)
      else this.#queue.push({ topic, entry })
    })
  }

  flush(): Promise<void> {
    if (this.#unsettled === 0) return Promise.resolve()
    return new Promise((resolve) => this.#flushes.push(resolve))
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.flush()
    for (const { lanes } of this.#topics.values()) {
      for (const lane of lanes ?? []) lane.abort(new SandglassError('SHUTTING_DOWN', 'Cannot produce: closed'))
    }
    this.#links.close()
    this.#context.onClosed?.()
  }

  #settled(bytes: number): void {
    this.#unsettled--
    this.#admittedBytes -= bytes
    if (this.#queue.length > 0) this.#endOfTurn()
    if (this.#unsettled === 0) for (const done of this.#flushes.splice(0)) done()
  }

  #admit(topic: string, entry: Entry): void {
    this.#admittedBytes += entry.bytes
    const known = this.#topics.get(topic) ?? this.#learn(topic)
    if (known.lanes === undefined) known.waiting.push(entry)
    else this.#place(known, known.lanes, entry)
  }

  #place(topic: TopicLanes, lanes: readonly Lane[], entry: Entry): void {
    const lane = lanes[this.#partition(topic, lanes.length, entry)]
    if (lane === undefined) {
      entry.failed(invalid('partition', `Cannot take partition ${entry.partition}: the topic has ${lanes.length}`))
      return
    }
    lane.add(entry)
    this.#dirty.add(lane)
    this.#endOfTurn()
  }

  #partition(topic: TopicLanes, partitions: number, { partition, prepared }: Entry): number {
    if (partition !== undefined) return partition
    if (prepared.key.length > 0) return this.#context.partitioner(prepared.key, partitions)
    topic.next = (topic.next + 1) % partitions
    return topic.next
  }

  /** What came in this turn leaves at its end, one frame a partition. */
  #endOfTurn(): void {
    if (this.#turnOpen) return
    this.#turnOpen = true
    this.#context.env.endOfTurn(() => {
      this.#turnOpen = false
      while (this.#admittedBytes < ADMITTED_BYTES_MAX) {
        const next = this.#queue.shift()
        if (next === undefined) break
        this.#admit(next.topic, next.entry)
      }
      for (const lane of this.#dirty) lane.pump()
      this.#dirty.clear()
    })
  }

  #learn(topic: string): TopicLanes {
    const lanes: TopicLanes = { lanes: undefined, waiting: [], next: 0 }
    this.#topics.set(topic, lanes)
    this.#context.routes.topic(topic).then(
      (route) => {
        lanes.lanes = this.#lanesOf(topic, route)
        lanes.next = Math.floor(this.#context.env.random() * route.leaders.length)
        for (const entry of lanes.waiting.splice(0)) this.#place(lanes, lanes.lanes, entry)
      },
      (error: unknown) => {
        this.#topics.delete(topic)
        for (const entry of lanes.waiting.splice(0)) entry.failed(asError(error))
      },
    )
    return lanes
  }

  #lanesOf(topic: string, route: Route): Lane[] {
    const { env, routes } = this.#context
    return route.leaders.map(
      (_, partition) =>
        new Lane(
          {
            env,
            topic,
            partition,
            leader: () => routes.known(topic)?.leaders[partition],
            leaderLost: (hint) => this.#leaderLost(topic, partition, hint),
            send: (addr, request, attempt) => this.#links.send(addr, request, attempt),
          },
          this.#id,
        ),
    )
  }

  #leaderLost(topic: string, partition: number, hint: string | undefined): void {
    this.#context.routes.moved(topic, partition, hint)
    if (hint !== undefined) return
    this.#context.routes.refresh(topic).catch((error: unknown) => {
      // Anything else is tried again by the lanes until their messages' deadlines.
      if (error instanceof SandglassError && error.reason === 'TOPIC_NOT_FOUND') this.#topicGone(topic, error)
    })
  }

  #topicGone(topic: string, error: SandglassError): void {
    const gone = this.#topics.get(topic)
    this.#topics.delete(topic)
    this.#context.routes.forget(topic)
    for (const lane of gone?.lanes ?? []) lane.abort(error)
  }
}

function asError(error: unknown): SandglassError {
  if (error instanceof SandglassError) return error
  return new SandglassError('INTERNAL', 'Cannot produce: the topic could not be looked up', { cause: error })
}
