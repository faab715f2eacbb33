import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { SLICE_MS, TURNS_PER_ROUND, WRITES_PER_BATCH } from '../../../src/base/limits.ts'
import { type Disk, nodeDisk } from '../../../src/storage/disk.ts'
import { ManualEnv, settle } from '../manual-env.ts'
import { SimulatedDisk } from '../simulated-disk.ts'
import { DIR, entries, entry, hardState, openLog, readAll, texts, write } from './harness.ts'

const temporary: string[] = []
afterEach(() => {
  for (const dir of temporary.splice(0)) rmSync(dir, { recursive: true })
})

function realDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'wal-'))
  temporary.push(dir)
  return join(dir, 'shard-0', 'wal')
}

const PLACES: readonly [string, () => { disk: Disk; dir: string }][] = [
  ['the simulated disk', () => ({ disk: new SimulatedDisk(), dir: DIR })],
  ['a real directory', () => ({ disk: nodeDisk, dir: realDir() })],
]

describe.each(PLACES)('a log on %s', (_name, place) => {
  it('gives back entries, hard state and base after it was closed and opened again', async () => {
    const { disk, dir } = place()
    const first = await openLog(disk, { dir })
    await write(
      first.wal,
      { group: 5, replica: 1001, entries: entries(1, 3), hard: hardState(2, 7, 1) },
      { group: 6, replica: 1002, snapshot: { index: 40, term: 3 }, entries: entries(41, 2, 4) },
    )
    await first.wal.close()
    const { wal, damage } = await openLog(disk, { dir })
    expect(damage).toEqual([])
    expect(texts(wal.group(5))).toEqual(entries(1, 3).map((one) => one.data.toString()))
    expect(wal.group(5)?.hard).toEqual({ term: 2, vote: 7, commit: 1 })
    expect(wal.group(5)?.replica).toBe(1001)
    expect(wal.group(6)?.base).toEqual({ index: 40, term: 3 })
    expect([40, 41, 42, 43].map((index) => wal.group(6)?.term(index))).toEqual([3, 4, 4, undefined])
    expect(wal.group(7)).toBeUndefined()
    await wal.close()
  })

  it('replaces everything from the index of an overwriting entry on', async () => {
    const { disk, dir } = place()
    const first = await openLog(disk, { dir })
    await write(first.wal, { group: 5, replica: 1001, entries: entries(1, 5, 1) })
    await write(first.wal, { group: 5, replica: 1001, entries: [entry(3, 2)] })
    for (const wal of [first.wal, await first.wal.close().then(async () => (await openLog(disk, { dir })).wal)]) {
      expect(wal.group(5)?.lastIndex()).toBe(3)
      expect(wal.group(5)?.term(2)).toBe(1)
      expect(wal.group(5)?.term(3)).toBe(2)
      expect(texts(wal.group(5)).at(-1)).toBe('entry 3 of term 2')
    }
  })

  it('makes a batch of so many writes, and the next of the others, each confirmed in its order', async () => {
    const { disk, dir } = place()
    const { wal } = await openLog(disk, { dir })
    const before = wal.stats().batches
    const confirmed: { group: number; batch: number }[] = []
    const count = 2 * WRITES_PER_BATCH + 1
    await new Promise<void>((resolve) => {
      for (let group = 1; group <= count; group++) {
        wal.append({ group, replica: group, entries: entries(1, 1) }, () => {
          confirmed.push({ group, batch: wal.stats().batches - before })
          if (group === count) resolve()
        })
      }
    })
    expect(confirmed.map(({ group }) => group)).toEqual(Array.from({ length: count }, (_, i) => i + 1))
    const sizes = [1, 2, 3].map((batch) => confirmed.filter((one) => one.batch === batch).length)
    expect(sizes).toEqual([WRITES_PER_BATCH, WRITES_PER_BATCH, 1])
    await wal.close()
  })

  it('makes a batch of more writes where so many wait that the disk would be asked again and again for them', async () => {
    const { disk, dir } = place()
    const { wal } = await openLog(disk, { dir })
    const before = wal.stats().batches
    const count = 2 * TURNS_PER_ROUND * WRITES_PER_BATCH
    let [first, all] = [0, 0]
    await new Promise<void>((resolve) => {
      for (let group = 1; group <= count; group++) {
        wal.append({ group, replica: group, entries: entries(1, 1) }, () => {
          if (wal.stats().batches === before + 1) first++
          if (++all === count) resolve()
        })
      }
    })
    expect(first).toBe(count / TURNS_PER_ROUND)
    await wal.close()
  })

  it('keeps types of entries, empty data and large data across segments', async () => {
    const { disk, dir } = place()
    const first = await openLog(disk, { dir, segmentBytes: 64 * 1024, cacheBytes: 0 })
    const large = new Uint8Array(100_000).fill(7)
    const written = [
      { index: 1, term: 1, type: 'normal', data: new Uint8Array(0) },
      { index: 2, term: 1, type: 'confChange', data: Buffer.from('add 4') },
      { index: 3, term: 2, type: 'normal', data: large },
      { index: 4, term: 2, type: 'confChange', data: Buffer.from('drop 4') },
    ] as const
    for (const one of written) await write(first.wal, { group: 5, replica: 1001, entries: [one] })
    await write(first.wal, { group: 5, replica: 1001, hard: hardState(2) })
    expect(first.wal.stats().segments).toBe(2)
    const log = first.wal.group(5)
    expect(log && readAll(log).map(({ type, data }) => [type, data.byteLength])).toEqual(
      written.map(({ type, data }) => [type, data.byteLength]),
    )
    for (let lo = 1; lo <= 5; lo++) {
      for (let hi = lo; hi <= 5; hi++) {
        const among = written.some(({ index, type }) => index >= lo && index < hi && type === 'confChange')
        expect(log?.hasConfChange(lo, hi)).toBe(among)
      }
    }
    await first.wal.close()
    const again = await openLog(disk, { dir })
    const reread = again.wal.group(5)
    expect(reread && Buffer.compare(readAll(reread)[2]?.data ?? large.subarray(1), large)).toBe(0)
    await again.wal.close()
  })

  it('forgets a removed replica for good and goes on under a later one', async () => {
    const { disk, dir } = place()
    const first = await openLog(disk, { dir })
    await write(first.wal, { group: 5, replica: 1001, entries: entries(1, 3), hard: hardState(9) })
    const removal = write(first.wal, { group: 5, replica: 1001, removed: true })
    expect(first.wal.group(5)).toBeUndefined()
    await removal
    expect(() => first.wal.append({ group: 5, replica: 1001, hard: hardState(1) }, () => undefined)).toThrow(
      /comes back/,
    )
    await first.wal.close()
    const { wal } = await openLog(disk, { dir })
    expect(wal.group(5)).toBeUndefined()
    expect(wal.tombstone(5)).toBe(1001)
    await write(wal, { group: 5, replica: 1002, entries: entries(1, 1, 3) })
    expect(wal.group(5)?.replica).toBe(1002)
    expect(wal.group(5)?.hard).toBeUndefined()
    await wal.close()
  })

  it('deletes a segment when checkpoints cover it, and starts behind it afterwards', async () => {
    const { disk, dir } = place()
    const first = await openLog(disk, { dir, segmentBytes: 4096 })
    for (let i = 0; i < 30; i++) {
      await write(first.wal, {
        group: 5,
        replica: 1001,
        entries: entries(1 + i * 10, 10, 1, 50),
        hard: hardState(1, 2, i),
      })
    }
    expect(first.wal.stats().segments).toBeGreaterThan(3)
    first.wal.release(5, { index: 290, term: 1 }, 291)
    await settle(300)
    await first.wal.close()
    const log = first.wal.group(5)
    expect(first.wal.stats().segments).toBeLessThan(3)
    const { wal, damage } = await openLog(disk, { dir })
    expect(damage).toEqual([])
    expect(wal.group(5)?.base).toEqual(log?.base)
    expect(wal.group(5)?.base.index).toBeGreaterThan(200)
    expect(wal.group(5)?.hard?.commit).toBe(29)
    expect(texts(wal.group(5))).toEqual(texts(log))
    expect(wal.group(5)?.lastIndex()).toBe(300)
    await wal.close()
  })
})

describe('a log with time on its hands', () => {
  it('prepares the next segment with zeros, which are no damage', async () => {
    const disk = new SimulatedDisk()
    const first = await openLog(disk, { segmentBytes: 8192 })
    let last = 0
    while (first.wal.stats().segments < 3) {
      await write(first.wal, { group: 5, replica: 1001, entries: entries(++last, 1, 1, 300) })
      await settle(20)
    }
    expect(disk.contents(`${DIR}/0000000003.wal`).byteLength).toBe(8192)
    await first.wal.close()
    const { wal, damage } = await openLog(disk)
    expect([damage, wal.group(5)?.lastIndex()]).toEqual([[], last])
    await wal.close()
  })
})

it('reads a long log in slices when it is opened: the process has others to answer meanwhile', async () => {
  const disk = new SimulatedDisk()
  const written = entries(1, 50)
  const first = await openLog(disk)
  for (const one of written) await write(first.wal, { group: 5, replica: 1001, entries: [one] })
  await first.wal.close()
  const env = new ManualEnv()
  let [reads, most, over] = [0, 0, false]
  disk.fault = (operation) => {
    if (operation !== 'read') return undefined
    env.advance(1)
    most = Math.max(most, ++reads)
    return undefined
  }
  const turn = () => {
    reads = 0
    if (!over) setImmediate(turn)
  }
  setImmediate(turn)
  const { wal, damage } = await openLog(disk, { env })
  over = true
  // A frame is two reads.
  expect(most).toBeLessThan(2 * SLICE_MS)
  expect(damage).toEqual([])
  disk.fault = () => undefined
  expect(texts(wal.group(5))).toEqual(written.map(({ data }) => data.toString()))
})
