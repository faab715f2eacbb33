import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Entry } from '../../../src/base/log-entry.ts'
import { RecentBlocks, RecentCache } from '../../../src/storage/wal/recent.ts'

/** What a segment file would hold: byte `i` of file `file`. */
function content(file: number, from: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (file * 31 + (from + i) * 7) % 251)
}

/** Entries whose data lies one behind the other from `position`. */
function entriesOf(file: number, position: number, sizes: readonly number[]): Entry[] {
  let at = position
  return sizes.map((bytes, i) => {
    const data = content(file, at, bytes)
    at += bytes
    return { term: 1, index: i + 1, type: 'normal', data }
  })
}

interface Written {
  readonly blocks: RecentBlocks
  readonly file: number
  readonly at: number
  readonly bytes: number
}

interface RecordDraw {
  readonly sizes: readonly number[]
  /** Between it and the one before: the head of a frame. */
  readonly gap: number
  readonly file: number
}

const RECORDS: fc.Arbitrary<readonly RecordDraw[]> = fc.array(
  fc.record({
    sizes: fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 4 }),
    gap: fc.integer({ min: 0, max: 3 }),
    file: fc.integer({ min: 0, max: 2 }),
  }),
  { minLength: 1, maxLength: 60 },
)

/** Writes the records each behind the last one of its segment; what each was. */
function fill(cache: RecentCache, records: readonly RecordDraw[]): Written[] {
  const files = [0, 1, 2].map(() => ({ blocks: new RecentBlocks(), end: 0 }))
  return records.flatMap(({ sizes, gap, file }) => {
    const segment = files[file]
    if (segment === undefined) return []
    const at = segment.end + gap
    cache.add(segment.blocks, at, entriesOf(file, at, sizes))
    const bytes = sizes.reduce((sum, size) => sum + size, 0)
    segment.end = at + bytes
    return { blocks: segment.blocks, file, at, bytes }
  })
}

describe('recent entry data', () => {
  it('is what was written there, or not there at all, and what is there came last', () => {
    fc.assert(
      fc.property(RECORDS, fc.integer({ min: 0, max: 100_000 }), (records, maxBytes) => {
        const all = fill(new RecentCache(maxBytes), records).filter(({ bytes }) => bytes > 0)
        const found = all.map(({ blocks, at, bytes }) => blocks.find(at, bytes))
        for (const [i, data] of found.entries()) {
          const { file, at, bytes } = all[i] ?? { file: 0, at: 0, bytes: 0 }
          if (data !== undefined) expect(Buffer.compare(data, content(file, at, bytes))).toBe(0)
        }
        const first = found.findIndex((data) => data !== undefined)
        if (first >= 0) expect(found.slice(first)).not.toContain(undefined)
      }),
    )
  })

  it('keeps memory within its bound, and uses most of it', () => {
    fc.assert(
      fc.property(RECORDS, fc.integer({ min: 20_000, max: 40_000 }), (records, maxBytes) => {
        const all = fill(new RecentCache(maxBytes), Array.from({ length: 20 }, () => records).flat())
        const found = all.map(({ blocks, at, bytes }) => (bytes === 0 ? undefined : blocks.find(at, bytes)))
        const buffers = new Set(found.flatMap((data) => (data === undefined ? [] : [data.buffer])))
        const held = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0)
        expect(held).toBeLessThanOrEqual(maxBytes)
        const written = all.reduce((sum, { bytes }) => sum + bytes, 0)
        const kept = found.reduce((sum, data) => sum + (data?.byteLength ?? 0), 0)
        // Beside data: a slab that is not full yet, and what each block costs.
        expect(kept).toBeGreaterThanOrEqual(Math.min(written, maxBytes / 8))
      }),
    )
  })

  it('finds nothing that lies beside it', () => {
    const [cache, blocks] = [new RecentCache(1_000_000), new RecentBlocks()]
    cache.add(blocks, 100, entriesOf(0, 100, [50]))
    cache.add(blocks, 200, entriesOf(0, 200, [50, 25]))
    expect(blocks.find(200, 75)).toEqual(content(0, 200, 75))
    expect(blocks.find(225, 10)).toEqual(content(0, 225, 10))
    for (const [at, bytes] of [
      [0, 10],
      [99, 2],
      [140, 20],
      [150, 10],
      [199, 5],
      [270, 10],
      [275, 1],
    ] as const) {
      expect(blocks.find(at, bytes)).toBeUndefined()
    }
  })
})
