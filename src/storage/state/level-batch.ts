/** One atomic batch on its way to LevelDB. Values are sealed with a checksum; every write is synced. */
import { crc32 } from 'node:zlib'
import { assert } from '../../base/assert.ts'
import type { WriteBatch } from './database.ts'
import type { Level } from './level-iterator.ts'
import { SEAL_BYTES } from './sealed-value.ts'

const SCRATCH_BYTES = 64 * 1024
const BALLAST_BYTES = 2 * 1024 * 1024
const MIX = 0x9e3779b1
const DELETED = 0x5bd1e995

type Chained = ReturnType<Level['batch']>

export class LevelBatch implements WriteBatch {
  readonly #chained: Chained
  readonly #finish: (write: (() => Promise<void>) | undefined) => Promise<void>
  #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  #sum = 0
  #bytes = 0
  #ended = false
  /**
   * A chained batch holds native memory until its collection, which the collector does not know of (410 MB after two
   * million rows). Untouched buffers of the same size make the collector see the batch without costing memory.
   */
  readonly #ballast: ArrayBuffer[] = []

  constructor(chained: Chained, finish: (write: (() => Promise<void>) | undefined) => Promise<void>) {
    this.#chained = chained
    this.#finish = finish
  }

  put(key: string, value: Uint8Array): void {
    const keyEnd = key.length
    const valueEnd = keyEnd + value.byteLength
    const end = valueEnd + SEAL_BYTES
    const scratch = this.#roomFor(end)
    writeKey(scratch, key)
    scratch.set(value, keyEnd)
    const crc = crc32(scratch.subarray(0, valueEnd))
    scratch.writeUInt32LE(crc, valueEnd)
    this.#chained.put(scratch.subarray(0, keyEnd), scratch.subarray(keyEnd, end))
    this.#count(crc, end)
  }

  delete(key: string): void {
    const scratch = this.#roomFor(key.length)
    writeKey(scratch, key)
    const bytes = scratch.subarray(0, key.length)
    this.#chained.del(bytes)
    this.#count(crc32(bytes) ^ DELETED, key.length)
  }

  checksum(): number {
    return this.#sum
  }

  write(): Promise<void> {
    this.#end()
    return this.#finish(() => this.#chained.write({ sync: true }))
  }

  drop(): void {
    this.#end()
    // Only a write of something can fail.
    void this.#finish(undefined)
    void this.#chained.close()
  }

  #end(): void {
    assert(!this.#ended, 'a batch ends once')
    this.#ended = true
  }

  #roomFor(bytes: number): Buffer {
    if (bytes > this.#scratch.byteLength) this.#scratch = Buffer.allocUnsafeSlow(bytes * 2)
    return this.#scratch
  }

  #count(crc: number, bytes: number): void {
    this.#sum = Math.imul(this.#sum ^ crc, MIX) >>> 0
    this.#bytes += bytes
    if (this.#bytes >= this.#ballast.length * BALLAST_BYTES) this.#ballast.push(new ArrayBuffer(BALLAST_BYTES))
  }
}

function writeKey(to: Buffer, key: string): void {
  let all = 0
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i)
    all |= code
    to[i] = code
  }
  assert(all < 256, 'a key is a string of bytes')
}
