// Which partition a key belongs to: xxhash64 (seed 0) of its bytes, then jump consistent hash (Lamping & Veach 2014,
// https://arxiv.org/abs/1406.2294). Every client must agree on this; test vectors are in docs/formats.md.
import xxhash from 'xxhash-wasm'
import { assert } from '../base/assert.ts'

/** The partition of a key, 0 to partitions-1. */
export type Partitioner = (key: Uint8Array, partitions: number) => number

/** Compiles the hash once; the function it gives is synchronous. */
export async function createPartitioner(): Promise<Partitioner> {
  const { h64Raw } = await xxhash()
  return (key, partitions) => {
    const hash = h64Raw(key, 0n)
    return jumpHash({ high: Number(hash >> 32n), low: Number(hash & 0xffffffffn) }, partitions)
  }
}

/** A 64-bit hash as two unsigned halves, to a bucket. */
export function jumpHash(hash: { readonly high: number; readonly low: number }, buckets: number): number {
  assert(buckets >= 1, 'jump hash has a bucket')
  let { high, low } = hash
  let bucket = -1
  let next = 0
  while (next < buckets) {
    bucket = next
    // hash = hash * 2862933555777941757 + 1, modulo 2^64.
    const product = multiply(high, low)
    low = (product.low + 1) >>> 0
    high = (product.high + (low === 0 ? 1 : 0)) >>> 0
    next = Math.floor((bucket + 1) * (2 ** 31 / ((high >>> 1) + 1)))
  }
  return bucket
}

const FACTOR_HIGH = 0x27bb2ee6
const FACTOR_LOW = 0x87b0b0fd

/** The lower 64 bits of (high, low) times the factor, by 16-bit limbs of the lower halves. */
function multiply(high: number, low: number): { readonly high: number; readonly low: number } {
  const a0 = low & 0xffff
  const a1 = low >>> 16
  const b0 = FACTOR_LOW & 0xffff
  const b1 = FACTOR_LOW >>> 16
  const middle = a1 * b0 + Math.floor((a0 * b0) / 2 ** 16)
  const carry = a0 * b1 + (middle % 2 ** 16)
  const upper = a1 * b1 + Math.floor(middle / 2 ** 16) + Math.floor(carry / 2 ** 16)
  return {
    high: (upper + Math.imul(high, FACTOR_LOW) + Math.imul(low, FACTOR_HIGH)) >>> 0,
    low: Math.imul(low, FACTOR_LOW) >>> 0,
  }
}
