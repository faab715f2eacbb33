/**
 * Where the entries of one replica lie in one segment: four columns of a typed array each, 17 bytes an entry, so that
 * a log of millions costs no objects. Invariant: entry `first + i` has `sizes(i)` bytes at `positions(i)`.
 */
import { crc32 } from 'node:zlib'
import { assert } from '../../base/assert.ts'
import type { Entry } from '../../base/log-entry.ts'
import { type EntryRows, rowBytes, rowCrc, rowIsConfChange } from './records.ts'
import type { Segment } from './segment.ts'

const INITIAL_ROWS = 16
/** One read from a segment, unless a single entry is larger. */
const READ_BYTES_MAX = 1024 * 1024

export class Span {
  readonly segment: Segment
  readonly first: number
  #count = 0
  #positions = new Uint32Array(INITIAL_ROWS)
  /** Sum of all sizes up to and with the row. */
  #ends = new Float64Array(INITIAL_ROWS)
  #crcs = new Uint32Array(INITIAL_ROWS)
  #confChanges = new Uint8Array(INITIAL_ROWS)

  constructor(segment: Segment, first: number) {
    this.segment = segment
    this.first = first
  }

  get last(): number {
    return this.first + this.#count - 1
  }

  /** Adds rows whose data lies one behind the other from `position`. */
  append(rows: EntryRows, position: number): void {
    this.#reserve(rows.count)
    let at = position
    for (let i = 0; i < rows.count; i++) {
      const row = this.#count++
      const bytes = rowBytes(rows, i)
      this.#positions[row] = at
      this.#ends[row] = this.#endBefore(row) + bytes
      this.#crcs[row] = rowCrc(rows, i)
      this.#confChanges[row] = rowIsConfChange(rows, i) ? 1 : 0
      at += bytes
    }
  }

  /** Forgets entries from `index` on. */
  truncate(index: number): void {
    this.#count = Math.max(0, Math.min(this.#count, index - this.first))
  }

  /** Bytes of the entries in [index, last]. */
  bytesFrom(index: number): number {
    return this.#endBefore(this.#count) - this.#endBefore(Math.max(0, index - this.first))
  }

  /** Whether one of those in [lo, hi) that lie here is a change of the configuration. */
  hasConfChange(lo: number, hi: number): boolean {
    const from = Math.max(0, lo - this.first)
    return this.#confChanges.subarray(from, Math.min(hi - this.first, this.#count)).includes(1)
  }

  /**
   * Reads entries from `lo` (in this span) up to `hi` while they lie side by side and fit `maxBytes`, at least one, into
   * `out`: from memory if they were written lately, else from the file. Returns the bytes of their data. Throws when the
   * disk fails or what it gives does not match the CRC.
   */
  read(lo: number, hi: number, maxBytes: number, termOf: (index: number) => number, out: Entry[]): number {
    const from = lo - this.first
    const to = this.#contiguousEnd(from, Math.min(hi - this.first, this.#count), Math.min(maxBytes, READ_BYTES_MAX))
    const start = this.#endBefore(from)
    const bytes = this.#endBefore(to) - start
    const position = this.#positions[from] ?? 0
    const { buffer, byteOffset } =
      this.segment.recent.find(position, bytes) ?? this.#fromFile(from, to, position, bytes)
    for (let row = from; row < to; row++) {
      const at = this.#endBefore(row)
      const data = new Uint8Array(buffer, byteOffset + at - start, this.#endBefore(row + 1) - at)
      const index = this.first + row
      const type = this.#confChanges[row] === 1 ? 'confChange' : 'normal'
      out.push({ term: termOf(index), index, type, data })
    }
    return bytes
  }

  /** The data of rows [from, to), checked. */
  #fromFile(from: number, to: number, position: number, bytes: number): Uint8Array {
    const data = new Uint8Array(bytes)
    const got = bytes === 0 ? 0 : this.segment.file.readSync(data, position)
    const start = this.#endBefore(from)
    for (let row = from; row < to; row++) {
      const payload = data.subarray(this.#endBefore(row) - start, this.#endBefore(row + 1) - start)
      if (got === bytes && crc32(payload) === this.#crcs[row]) continue
      const where = `${this.segment.path} is damaged at ${this.#positions[row]}`
      throw new Error(`Cannot read entry ${this.first + row}: ${where}`)
    }
    return data
  }

  #contiguousEnd(from: number, limit: number, maxBytes: number): number {
    let to = from + 1
    const start = this.#endBefore(from)
    while (to < limit && this.#endBefore(to + 1) - start <= maxBytes) {
      if (this.#positions[to] !== (this.#positions[from] ?? 0) + this.#endBefore(to) - start) break
      to++
    }
    return to
  }

  #endBefore(row: number): number {
    return row === 0 ? 0 : (this.#ends[row - 1] ?? 0)
  }

  #reserve(rows: number): void {
    const needed = this.#count + rows
    if (needed <= this.#positions.length) return
    const capacity = Math.max(needed, this.#positions.length * 2)
    assert(capacity < 2 ** 31, 'a segment holds fewer than 2^31 entries')
    this.#positions = grown(this.#positions, new Uint32Array(capacity))
    this.#ends = grown(this.#ends, new Float64Array(capacity))
    this.#crcs = grown(this.#crcs, new Uint32Array(capacity))
    this.#confChanges = grown(this.#confChanges, new Uint8Array(capacity))
  }
}

/** Terms of a log, one step per change of term: nearly always a handful. */
export class TermSteps {
  readonly #starts: number[] = []
  readonly #terms: number[] = []

  /** Term of the last step at or before `index`. */
  at(index: number): number {
    let low = 0
    let high = this.#starts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#starts[middle] ?? 0) <= index) low = middle + 1
      else high = middle
    }
    return low === 0 ? 0 : (this.#terms[low - 1] ?? 0)
  }

  push(index: number, term: number): void {
    if (this.#starts.length > 0 && this.#terms.at(-1) === term) return
    this.#starts.push(index)
    this.#terms.push(term)
  }

  /** Forgets `index` and what follows. */
  truncate(index: number): void {
    while ((this.#starts.at(-1) ?? -1) >= index) {
      this.#starts.pop()
      this.#terms.pop()
    }
  }

  /** Forgets steps that ended before `index`. */
  dropBefore(index: number): void {
    let gone = 0
    while (gone + 1 < this.#starts.length && (this.#starts[gone + 1] ?? 0) <= index) gone++
    this.#starts.splice(0, gone)
    this.#terms.splice(0, gone)
  }

  clear(): void {
    this.#starts.length = 0
    this.#terms.length = 0
  }
}

function grown<T extends Uint8Array | Uint32Array | Float64Array>(from: T, into: T): T {
  into.set(from)
  return into
}
