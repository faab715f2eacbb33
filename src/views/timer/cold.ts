/**
 * Redeliveries far ahead, in blocks of the store: a delay of an hour for millions of messages costs memory one
 * description per block. A block is written once and read back whole when its earliest redelivery comes near; its row
 * goes with the next freeze, so that reading needs no write. Like the runs of an external priority queue, each message
 * moves between memory and store only a few times.
 */
import { assert } from '../../base/assert.ts'
import type { Reader, Store } from '../view.ts'
import type { ByteReader, ByteWriter } from './bytes.ts'
import type { Position } from './commands.ts'
import { partKey, TAG } from './keys.ts'
import { byPosition, decodeRecords, encodeRecords, type OutstandingRecord } from './outstanding-rows.ts'

/** What memory keeps of a block. */
interface ColdBlock {
  readonly number: number
  readonly size: number
  /** The earliest redelivery in it. */
  readonly time: number
  /** The lowest position in it. */
  readonly due: number
  readonly index: number
}

interface ReadBlock {
  readonly block: ColdBlock
  readonly row: Uint8Array | undefined
}

const BLOCK_BYTES = 96

export class ColdRedeliveries {
  readonly #group: number
  /** By earliest redelivery. */
  #blocks: ColdBlock[] = []
  #nextNumber = 0
  #size = 0
  /** Rows of blocks that were read back. */
  #spent: number[] = []

  constructor(group: number) {
    this.#group = group
  }

  /** Messages in all blocks. */
  get size(): number {
    return this.#size
  }

  /** The earliest redelivery; Infinity without any. */
  firstTime(): number {
    return this.#blocks[0]?.time ?? Number.POSITIVE_INFINITY
  }

  /** How many lie in blocks that begin by `until`. */
  countFrom(until: number): number {
    let count = 0
    for (const block of this.#blocks) {
      if (block.time > until) break
      count += block.size
    }
    return count
  }

  bytes(): number {
    return this.#blocks.length * BLOCK_BYTES
  }

  /** Only what waits may go here. Not empty. */
  put(store: Store, records: readonly OutstandingRecord[]): void {
    const sorted = [...records].sort(byPosition)
    const lowest = sorted[0]
    assert(lowest !== undefined, 'a cold block is never empty')
    const number = this.#nextNumber++
    let time = lowest.time
    for (const record of sorted) time = Math.min(time, record.time)
    store.put(this.#key(number), encodeRecords(sorted), true)
    this.#insert({ number, size: sorted.length, time, due: lowest.due, index: lowest.index })
  }

  /** Reads back the block with the earliest redelivery. */
  take(store: Store): OutstandingRecord[] {
    const block = this.#blocks[0]
    assert(block !== undefined, 'only a cold block that exists is read back')
    this.#spend(block)
    return this.#read(store, block)
  }

  /**
   * Reads back every block that holds one of these messages and has a redelivery by `at`; beyond `room` messages only these
   * themselves, and what was beside them lies in a block again.
   */
  takeHolding(store: Store, indexes: ReadonlySet<number>, at: number, room: number): OutstandingRecord[] {
    const taken: OutstandingRecord[] = []
    for (const block of this.#blocks.filter((candidate) => candidate.time <= at)) {
      const records = this.#read(store, block)
      const named = records.filter((record) => indexes.has(record.index))
      if (named.length === 0) continue
      this.#spend(block)
      const whole = taken.length + records.length <= room
      for (const record of whole ? records : named) taken.push(record)
      if (!whole && named.length < records.length)
        this.put(
          store,
          records.filter(({ index }) => !indexes.has(index)),
        )
    }
    return taken
  }

  /** Reads up to `count` of the earliest blocks outside apply; {@link takeRead} makes them warm. */
  async readFirst(reader: Reader, count: number, until: number): Promise<readonly ReadBlock[]> {
    const blocks = this.#blocks.slice(0, count).filter((block) => block.time <= until)
    const rows = await this.#rows(reader, blocks)
    return blocks.map((block, i) => ({ block, row: rows[i] }))
  }

  /** What was in those of them that are still here: apply may have taken some back meanwhile. */
  takeRead(read: readonly ReadBlock[]): OutstandingRecord[] {
    const taken: OutstandingRecord[] = []
    for (const { block, row } of read) {
      if (row === undefined || !this.#blocks.includes(block)) continue
      this.#spend(block)
      for (const record of decodeRecords(row)) taken.push(record)
    }
    return taken
  }

  async has(reader: Reader, position: Position): Promise<boolean> {
    const mayHave = this.#blocks.filter((block) => byPosition(block, position) <= 0)
    for (const block of mayHave) {
      const [row] = await this.#rows(reader, [block])
      if (row !== undefined && decodeRecords(row).some((record) => record.index === position.index)) return true
    }
    return false
  }

  /** The lowest position of all, if any. */
  lowest(): Position | undefined {
    let lowest: ColdBlock | undefined
    for (const block of this.#blocks) if (lowest === undefined || byPosition(block, lowest) < 0) lowest = block
    return lowest
  }

  /** Removes the rows of blocks that were read back. */
  forgetSpent(store: Store): void {
    for (const number of this.#spent) store.delete(this.#key(number))
    this.#spent = []
  }

  write(out: ByteWriter): void {
    out.number(this.#nextNumber)
    out.number(this.#blocks.length)
    for (const block of this.#blocks) {
      out.number(block.number)
      out.number(block.size)
      out.number(block.time)
      out.number(block.due)
      out.number(block.index)
    }
  }

  read(input: ByteReader): void {
    this.#nextNumber = input.number()
    const count = input.count()
    for (let i = 0; i < count; i++) {
      const [number, size, time] = [input.number(), input.number(), input.number()]
      this.#insert({ number, size, time, due: input.number(), index: input.number() })
    }
  }

  /** It is read back: its row goes with the next freeze. */
  #spend(block: ColdBlock): void {
    this.#blocks.splice(this.#blocks.indexOf(block), 1)
    this.#size -= block.size
    this.#spent.push(block.number)
  }

  #insert(block: ColdBlock): void {
    let at = this.#blocks.length
    while (at > 0 && earlier(block, this.#blocks[at - 1])) at--
    this.#blocks.splice(at, 0, block)
    this.#size += block.size
  }

  #read(store: Store, block: ColdBlock): OutstandingRecord[] {
    const row = store.get(this.#key(block.number))
    assert(row !== undefined, 'a cold block has a row')
    return decodeRecords(row)
  }

  async #rows(reader: Reader, blocks: readonly ColdBlock[]): Promise<readonly (Uint8Array | undefined)[]> {
    const rows = await reader.getMany(
      blocks.map((block) => this.#key(block.number)),
      { expected: true },
    )
    return rows.map((row) => {
      if (row instanceof Error) throw row
      return row
    })
  }

  #key(number: number): string {
    return partKey(TAG.coldBlock, this.#group, number)
  }
}

function earlier(a: ColdBlock, b: ColdBlock | undefined): boolean {
  return b !== undefined && (a.time < b.time || (a.time === b.time && a.number < b.number))
}
