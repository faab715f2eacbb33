/**
 * One atomic batch on its way to LevelDB. Values are sealed with a checksum; every write is synced. A chained batch can
 * be filled in slices, but its native memory stays until the collector comes: therefore one at a time, of bounded size.
 */
import { assert } from '../../base/assert.ts'
import type { WriteBatch } from './database.ts'
import type { Level } from './level-iterator.ts'
import { SEAL_BYTES, sealOf } from './sealed-value.ts'

const SCRATCH_BYTES = 64 * 1024
const MIX = 0x9e3779b1
const DELETED = 0x5bd1e995
const NOTHING = new Uint8Array()

type Chained = ReturnType<Level['batch']>

export class LevelBatch implements WriteBatch {
  readonly #chained: Chained
  readonly #finish: (write: (() => Promise<void>) | undefined) => Promise<void>
  #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  #sum = 0
  #ended = false

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
    const bytes = scratch.subarray(0, keyEnd)
    const seal = sealOf(bytes, value)
    scratch.writeUInt32LE(seal, valueEnd)
    this.#chained.put(bytes, scratch.subarray(keyEnd, end))
    this.#count(seal)
  }

  delete(key: string): void {
    const scratch = this.#roomFor(key.length)
    writeKey(scratch, key)
    const bytes = scratch.subarray(0, key.length)
    this.#chained.del(bytes)
    this.#count(sealOf(bytes, NOTHING) ^ DELETED)
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

  #count(sum: number): void {
    this.#sum = Math.imul(this.#sum ^ sum, MIX) >>> 0
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
