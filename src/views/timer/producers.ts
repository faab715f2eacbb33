/**
 * What a partition remembers of its producers, so that a repeated produce stores nothing twice: the last sequence and
 * the positions of the last PRODUCER_OFFSETS_MAX messages. A producer is forgotten PRODUCER_TTL_MS after its last
 * produce by at'; before that only when there are too many, the longest idle first.
 */
import { assert } from '../../base/assert.ts'
import { PRODUCER_OFFSETS_MAX, PRODUCER_RUNS_MAX, PRODUCER_TTL_MS, PRODUCERS_MAX } from '../../base/limits.ts'
import type { FrozenRows, Reader, RowSink } from '../view.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import type { Position } from './commands.ts'
import { TAG } from './keys.ts'

/** Sequences first .. first+count-1 were stored at `due`, under indexes that follow each other. */
interface Run {
  readonly first: number
  readonly due: number
  readonly index: number
  count: number
}

/** Rows of a producer are 8 KiB at most. */
const ROWS_PER_STEP = 64
const PRODUCER_BYTES = 250
const RUN_BYTES = 40

class Producer {
  readonly id: string
  last = 0
  lastAt = 0
  /** Of its latest produce among those of all producers: the order in which they are forgotten. */
  turn = 0
  /** A checkpoint's rows may have it. */
  stored = false
  runs: Run[] = []

  constructor(id: string) {
    this.id = id
  }

  /** Position of a sequence at or below `last`; undefined when it is too long ago. */
  find(sequence: number): Position | undefined {
    if (sequence <= this.last - PRODUCER_OFFSETS_MAX) return undefined
    for (let i = this.runs.length - 1; i >= 0; i--) {
      const run = this.runs[i]
      if (run !== undefined && run.first <= sequence) {
        return { due: run.due, index: run.index + sequence - run.first }
      }
    }
    return undefined
  }

  /** The next sequence was stored there. */
  push(due: number, index: number): void {
    this.last++
    const run = this.runs[this.runs.length - 1]
    if (run !== undefined && run.due === due && run.index + run.count === index) run.count++
    else this.runs.push({ first: this.last, due, index, count: 1 })
  }

  /** Forgets runs that {@link find} no longer looks at. */
  trim(): void {
    const oldest = this.last - PRODUCER_OFFSETS_MAX
    const keep = this.runs.findIndex((run) => run.first + run.count - 1 > oldest)
    if (keep > 0) this.runs.splice(0, keep)
  }
}

export class Producers {
  /** The longest idle first. */
  readonly #byId = new Map<string, Producer>()
  /** Changed since the last freeze; undefined: forgotten, and its row must go. */
  #dirty = new Map<string, Producer | undefined>()
  /** On their way to rows; bytes: encoded before the next change. */
  #frozen = new Map<string, Producer | Uint8Array | undefined>()
  #turn = 0
  #runs = 0

  /** How often producers were heard of. */
  get turn(): number {
    return this.#turn
  }

  bytes(): number {
    return this.#byId.size * PRODUCER_BYTES + this.#runs * RUN_BYTES
  }

  /** undefined: never seen, or forgotten. */
  find(id: string, at: number): Producer | undefined {
    this.#forgetIdle(at)
    return this.#byId.get(id)
  }

  /** It was heard of at `at`; `stored` are the positions of its new messages, in sequence. */
  touch(id: string, at: number, stored: readonly Position[]): void {
    const producer = this.#byId.get(id) ?? this.#create(id)
    if (this.#frozen.get(id) === producer) this.#encodeFrozen(id, producer)
    this.#runs -= producer.runs.length
    for (const position of stored) producer.push(position.due, position.index)
    producer.trim()
    this.#runs += producer.runs.length
    producer.lastAt = at
    producer.turn = ++this.#turn
    this.#byId.delete(id)
    this.#byId.set(id, producer)
    this.#dirty.set(id, producer)
    this.#forgetIdle(at)
  }

  /** What changed since the last freeze, which was written to its end. */
  freeze(): FrozenRows {
    assert(this.#frozen.size === 0, 'producers are frozen once at a time')
    this.#frozen = this.#dirty
    this.#dirty = new Map()
    return { write: (to) => this.#write(to) }
  }

  /** Rows of one scan, in any order; {@link loaded} ends it. */
  load(rows: Awaited<ReturnType<Reader['scan']>>): void {
    for (const { key, value } of rows) {
      const producer = decodeProducer(key.slice(TAG.producer.length), value)
      this.#byId.set(producer.id, producer)
      this.#runs += producer.runs.length
      producer.stored = true
    }
    assert(
      this.#byId.size <= PRODUCERS_MAX && this.#runs <= PRODUCER_RUNS_MAX,
      'producers beyond the bounds are forgotten',
    )
  }

  /** `at`: time as of the rows. */
  loaded(turn: number, at: number): void {
    this.#turn = turn
    for (const { lastAt, turn: own } of this.#byId.values()) {
      assert(lastAt <= at && own <= turn, 'a producer was heard of before now')
    }
    const sorted = [...this.#byId.values()].sort((a, b) => a.turn - b.turn)
    this.#byId.clear()
    for (const producer of sorted) this.#byId.set(producer.id, producer)
  }

  *#write(to: RowSink): Generator<void, void> {
    let rows = 0
    for (const [id, producer] of this.#frozen) {
      if (producer instanceof Producer) this.#encodeFrozen(id, producer)
      const row = this.#frozen.get(id)
      if (row instanceof Uint8Array) to.put(TAG.producer + id, row)
      else to.delete(TAG.producer + id)
      if (++rows % ROWS_PER_STEP === 0) yield
    }
    this.#frozen.clear()
  }

  #encodeFrozen(id: string, producer: Producer): void {
    this.#frozen.set(id, encodeProducer(producer))
    producer.stored = true
  }

  /** One that was forgotten since the last checkpoint still has its row. */
  #create(id: string): Producer {
    const producer = new Producer(id)
    producer.stored = this.#dirty.has(id) || this.#frozen.has(id)
    return producer
  }

  #forgetIdle(at: number): void {
    for (const producer of this.#byId.values()) {
      const idle = at - producer.lastAt > PRODUCER_TTL_MS
      if (!idle && this.#byId.size <= PRODUCERS_MAX && this.#runs <= PRODUCER_RUNS_MAX) return
      this.#byId.delete(producer.id)
      this.#runs -= producer.runs.length
      if (producer.stored || this.#frozen.has(producer.id)) this.#dirty.set(producer.id, undefined)
      else this.#dirty.delete(producer.id)
    }
  }
}

function encodeProducer(producer: Producer): Uint8Array {
  const out = new ByteWriter(64 + producer.runs.length * 8)
  out.number(producer.last)
  out.number(producer.lastAt)
  out.number(producer.turn)
  out.number(producer.runs.length)
  let due = 0
  let index = 0
  for (const run of producer.runs) {
    out.signed(run.due - due)
    out.signed(run.index - index)
    out.number(run.count)
    due = run.due
    index = run.index
  }
  return out.finish()
}

function decodeProducer(id: string, row: Uint8Array): Producer {
  const input = new ByteReader(row)
  const producer = new Producer(id)
  producer.last = input.number()
  producer.lastAt = input.number()
  producer.turn = input.number()
  const parts = Array.from({ length: input.count() }, () => ({
    due: input.signed(),
    index: input.signed(),
    count: input.number(),
  }))
  input.end()
  let first = producer.last + 1 - parts.reduce((sum, part) => sum + part.count, 0)
  let due = 0
  let index = 0
  for (const part of parts) {
    due += part.due
    index += part.index
    producer.runs.push({ first, due, index, count: part.count })
    first += part.count
  }
  assert(first === producer.last + 1, 'the runs of a producer end with its last sequence')
  return producer
}
