import { expect, test } from 'vitest'
import { createPartitioner, jumpHash } from '../../src/wire/partition.ts'

const MASK = (1n << 64n) - 1n

/** The paper's function, word for word in 64-bit integers. */
function reference(hash: bigint, buckets: number): number {
  let key = hash
  let b = -1n
  let j = 0n
  while (j < BigInt(buckets)) {
    b = j
    key = (key * 2862933555777941757n + 1n) & MASK
    j = BigInt(Math.floor(Number(b + 1n) * (2 ** 31 / Number((key >> 33n) + 1n))))
  }
  return Number(b)
}

function halves(hash: bigint): { high: number; low: number } {
  return { high: Number(hash >> 32n), low: Number(hash & 0xffffffffn) }
}

test('jump hash gives the published vectors', () => {
  const vectors = [
    [1n, 1, 0],
    [42n, 57, 43],
    [0xdead10ccn, 1, 0],
    [0xdead10ccn, 666, 361],
    [256n, 1024, 520],
  ] as const
  for (const [hash, buckets, bucket] of vectors) expect(jumpHash(halves(hash), buckets)).toBe(bucket)
})

test('jump hash in halves equals the paper in 64-bit integers', () => {
  let hash = 0x9e3779b97f4a7c15n
  for (let round = 0; round < 2000; round++) {
    hash = (hash * 6364136223846793005n + 1442695040888963407n) & MASK
    const buckets = 1 + (round % 1024)
    expect(jumpHash(halves(hash), buckets)).toBe(reference(hash, buckets))
  }
})

test('a key belongs to the partition of the documented vectors', async () => {
  const partition = await createPartitioner()
  // docs/formats.md, 'Key to partition': of 1, 3, 16 and 1,024 partitions.
  const vectors = {
    '': [0, 2, 7, 332],
    a: [0, 1, 8, 894],
    abc: [0, 0, 14, 722],
    'order-42': [0, 2, 2, 694],
    'user:1001': [0, 2, 13, 579],
    кирпич: [0, 0, 5, 560],
  }
  for (const [key, expected] of Object.entries(vectors)) {
    expect([1, 3, 16, 1024].map((partitions) => partition(Buffer.from(key), partitions))).toEqual(expected)
  }
})

test('growing the number of partitions moves keys to new partitions only', async () => {
  const partition = await createPartitioner()
  for (let n = 0; n < 500; n++) {
    const key = Buffer.from(`key-${n}`)
    const after = partition(key, 17)
    expect([16, partition(key, 16)]).toContain(after)
  }
})
