/**
 * Messages that wait for days: each has a number, from which its due time and its body follow, so that reading them back
 * can tell a lost, doubled or changed one without remembering any. Numbers are spread over the time by a multiplicative
 * hash: neighbours in the log are strangers in the order of due times, which is the hard case for the store.
 */
import { type Core, connectCore } from '../src/client/core.ts'
import type { Produced, SandglassClient } from '../src/client/index.ts'

export interface Schedule {
  readonly topic: string
  readonly partitions: number
  readonly count: number
  readonly bytes: number
  /** Ms since 1970: the first is due at `fromMs`, the last before `fromMs + spreadMs`. */
  readonly fromMs: number
  readonly spreadMs: number
}

const UNANSWERED_MAX = 8192
const WORD = 2 ** 32
const GOLDEN = 0x9e3779b1
const NUMBER_BYTES = 4
const FETCH_MESSAGES = 1000
const FETCH_TIMEOUT_MS = 60_000

export function dueOf({ fromMs, spreadMs }: Schedule, number: number): number {
  const place = (Math.imul(number, GOLDEN) >>> 0) / WORD
  return fromMs + Math.floor(place * spreadMs)
}

/** The number, then bytes that no compression makes smaller. */
export class Bodies {
  readonly #bytes: number

  constructor(bytes: number) {
    this.#bytes = bytes
  }

  of(number: number): Uint8Array {
    const body = Buffer.allocUnsafe(this.#bytes)
    let state = Math.imul(number + 1, GOLDEN) | 1
    for (let at = NUMBER_BYTES; at < body.length; at++) {
      state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d)
      body[at] = state >>> 13
    }
    body.writeUInt32LE(number, 0)
    return body
  }

  /** Whether `body` is that of its number; the number, or -1. */
  numberOf(body: Uint8Array): number {
    if (body.byteLength !== this.#bytes) return -1
    const number = Buffer.from(body.buffer, body.byteOffset, NUMBER_BYTES).readUInt32LE(0)
    return Buffer.compare(body, this.of(number)) === 0 ? number : -1
  }
}

/** Produces those from `from` to below `to`, as fast as they are taken. `stored` hears of each answer. */
export async function load(
  client: SandglassClient,
  schedule: Schedule,
  range: { readonly from: number; readonly to: number },
  stored: (produced: Produced) => void,
): Promise<void> {
  const producer = client.producer()
  const bodies = new Bodies(schedule.bytes)
  let next = range.from
  const caller = async () => {
    while (next < range.to) {
      const number = next++
      const message = { value: bodies.of(number), deliverAt: dueOf(schedule, number) }
      stored(await producer.produce(schedule.topic, message))
    }
  }
  await Promise.all(Array.from({ length: Math.min(UNANSWERED_MAX, range.to - range.from) }, caller))
  await producer.close()
}

/** Reads every partition from its first message to its last: each number once, as it was given, in order of due times. */
export class Audit {
  readonly #schedule: Schedule
  readonly #bodies: Bodies
  readonly #seen: Uint8Array
  #doubled = 0
  #changed = 0
  #disordered = 0
  read = 0

  constructor(schedule: Schedule) {
    this.#schedule = schedule
    this.#bodies = new Bodies(schedule.bytes)
    this.#seen = new Uint8Array(schedule.count)
  }

  /** 'ok', or what is wrong. */
  async run(addrs: readonly string[]): Promise<string> {
    const core = await connectCore({ addrs, timeoutMs: FETCH_TIMEOUT_MS })
    const partitions = Array.from({ length: this.#schedule.partitions }, (_, partition) => partition)
    try {
      await Promise.all(partitions.map((partition) => this.#partition(core, partition)))
    } finally {
      core.transport.close()
    }
    let lost = 0
    for (const found of this.#seen) if (found === 0) lost++
    if (lost + this.#doubled + this.#changed + this.#disordered === 0) return 'ok'
    return `lost ${lost}, doubled ${this.#doubled}, changed ${this.#changed}, out of order ${this.#disordered}`
  }

  async #partition(core: Core, partition: number): Promise<void> {
    let before = { dueMs: 0, index: 0 }
    for await (const message of partitionMessages(core, this.#schedule, partition)) {
      this.read++
      if ((message.dueMs - before.dueMs || message.index - before.index) <= 0) this.#disordered++
      before = message
      this.#note(message)
    }
  }

  #note({ value, dueMs }: Read): void {
    const number = this.#bodies.numberOf(value)
    if (!(number >= 0 && number < this.#seen.length) || dueOf(this.#schedule, number) !== dueMs) this.#changed++
    else if (this.#seen[number] === 1) this.#doubled++
    else this.#seen[number] = 1
  }
}

interface Read {
  readonly dueMs: number
  readonly index: number
  readonly value: Uint8Array
}

async function* partitionMessages(core: Core, { topic, fromMs }: Schedule, partition: number): AsyncGenerator<Read> {
  let from = { dueMs: fromMs, index: 0 }
  for (;;) {
    const request = { topic, partition, from, limit: FETCH_MESSAGES }
    const { messages, more } = await core.calls.call('Queue', 'Fetch', request, { mutating: false })
    for (const { dueMs, index, body } of messages) yield { dueMs, index, value: body?.value ?? new Uint8Array() }
    const last = messages.at(-1)
    if (!more || last === undefined) return
    from = { dueMs: last.dueMs, index: last.index + 1 }
  }
}
