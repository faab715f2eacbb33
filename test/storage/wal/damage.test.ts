import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { encodeFrame } from '../../../src/storage/wal/encode.ts'
import { sealFrame } from '../../../src/storage/wal/frame.ts'
import { settle } from '../manual-env.ts'
import { SimulatedDisk } from '../simulated-disk.ts'
import { DIR, entries, entry, hardState, openLog, texts, write } from './harness.ts'

const OPTIONS = { segmentBytes: 4096 }
const FIRST = `${DIR}/0000000001.wal`
const SECOND = `${DIR}/0000000002.wal`
const NEWEST = `${DIR}/0000000003.wal`

/**
 * Three segments; groups 1 and 2 in the first, 2 in the second, 3 in the newest, where a last batch follows. Group 4
 * has its hard state in the first only.
 */
async function threeSegments(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  const { wal } = await openLog(disk, OPTIONS)
  await write(wal, { group: 1, replica: 1001, entries: entries(1, 5, 1, 300), hard: hardState(1) })
  await write(
    wal,
    { group: 4, replica: 1004, hard: hardState(8, 4) },
    { group: 2, replica: 1002, entries: entries(1, 10, 1, 300) },
  )
  await write(wal, { group: 2, replica: 1002, entries: entries(11, 20, 1, 300) })
  await write(wal, { group: 3, replica: 1003, entries: entries(1, 2, 1, 100), hard: hardState(3) })
  await write(wal, { group: 3, replica: 1003, entries: [entry(3)] })
  disk.kill()
  expect(disk.paths().filter((path) => path.endsWith('.wal'))).toEqual([FIRST, SECOND, NEWEST])
  return disk
}

let sound: SimulatedDisk
beforeAll(async () => {
  sound = await threeSegments()
})

function flip(disk: SimulatedDisk, path: string, offset: number, mask = 0x10): void {
  const bytes = disk.contents(path).slice()
  bytes[offset] = (bytes[offset] ?? 0) ^ mask
  disk.replace(path, bytes)
}

function truncate(disk: SimulatedDisk, path: string, bytes: number): void {
  disk.replace(path, disk.contents(path).slice(0, bytes))
}

async function reopened(disk: SimulatedDisk) {
  const log = await openLog(disk, OPTIONS, 77)
  const live = [...log.wal.groups()].map(({ group }) => group).sort()
  return { ...log, live }
}

describe('damage of a sealed segment', () => {
  it('costs the groups that have records there their replicas, by the footer, and nobody else', async () => {
    const disk = sound.clone()
    flip(disk, FIRST, 1200)
    const { wal, damage, live } = await reopened(disk)
    expect(damage).toHaveLength(1)
    expect(damage[0]).toMatchObject({ file: FIRST, groups: [1, 2, 4], everyGroup: false })
    expect(damage[0]?.offset).toBeGreaterThan(0)
    expect(live).toEqual([3])
    expect([1, 2, 4].map((group) => wal.tombstone(group))).toEqual([1001, 1002, 1004])
    expect(texts(wal.group(3))).toHaveLength(3)
  })

  it('is detected at every byte flipped and every byte cut off', async () => {
    const size = sound.contents(FIRST).byteLength
    await fc.assert(
      fc.asyncProperty(fc.nat(size - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), async (offset, mask, cut) => {
        const disk = sound.clone()
        if (cut) truncate(disk, FIRST, offset)
        else flip(disk, FIRST, offset, mask)
        const { damage, live } = await reopened(disk)
        expect(damage[0]?.groups).toEqual([1, 2, 4])
        expect(live).toEqual([3])
      }),
      { numRuns: 200 },
    )
  }, 60_000)

  it('is detected when it is cut off between two batches', async () => {
    const size = sound.contents(FIRST).byteLength
    for (let bytes = 0; bytes < size; bytes += 512) {
      const disk = sound.clone()
      truncate(disk, FIRST, bytes)
      expect((await reopened(disk)).damage[0]).toMatchObject({ file: FIRST, groups: [1, 2, 4] })
    }
  })

  it('stays known after the damaged file was put aside, and does not touch a later replica', async () => {
    const disk = sound.clone()
    flip(disk, FIRST, 1200)
    const first = await reopened(disk)
    await write(first.wal, { group: 1, replica: 2001, entries: entries(1, 1, 5) })
    await settle()
    expect(disk.paths()).toContain(`${FIRST}.damaged`)
    await first.wal.close()
    for (let i = 0; i < 2; i++) {
      const again = await openLog(disk, OPTIONS, 80 + i)
      // Group 1 has come back, and the place is still told for the others.
      expect(again.damage).toEqual([{ ...first.damage[0], groups: [2, 4] }])
      expect(again.wal.tombstone(2)).toBe(1002)
      expect(texts(again.wal.group(1))).toEqual(['1.5'.padEnd(20, 'x').replace('1.5x', '1.5 ')])
      await again.wal.close()
    }
  })

  it('is forgotten once every replica has come back under another id', async () => {
    const disk = sound.clone()
    flip(disk, FIRST, 1200)
    const { wal } = await reopened(disk)
    for (const group of [1, 2, 4]) await write(wal, { group, replica: 2000 + group, hard: hardState(1) })
    await wal.close()
    expect((await openLog(disk, OPTIONS, 80)).damage).toEqual([])
  })

  it('speaks for every group if what is remembered of it is damaged itself', async () => {
    const disk = sound.clone()
    flip(disk, FIRST, 1200)
    await (await reopened(disk)).wal.close()
    for (const offset of [0, 30]) {
      const copy = disk.clone()
      flip(copy, `${DIR}/DAMAGED.json`, offset)
      const { damage, wal } = await openLog(copy, OPTIONS, 80)
      expect(damage).toMatchObject([{ file: `${DIR}/DAMAGED.json`, everyGroup: true }])
      expect([1, 2, 4].map((group) => wal.tombstone(group))).toEqual([1001, 1002, 1004])
    }
  })

  it('is told again if the process dies before anything was written', async () => {
    const disk = sound.clone()
    truncate(disk, SECOND, 1024)
    expect((await reopened(disk)).damage[0]).toMatchObject({ file: SECOND, groups: [2] })
    disk.kill()
    const again = await openLog(disk, OPTIONS, 78)
    expect(again.damage).toMatchObject([{ file: SECOND, groups: [2] }])
    expect(again.wal.tombstone(2)).toBe(1002)
    expect([...again.wal.groups()].map(({ group }) => group).sort()).toEqual([1, 3, 4])
  })

  it('costs nobody else anything when the segment behind it goes before anything is written', async () => {
    const disk = new SimulatedDisk()
    const { wal } = await openLog(disk, OPTIONS)
    await write(wal, { group: 2, replica: 1002, entries: entries(1, 15, 1, 300) })
    await write(wal, { group: 5, replica: 1005, hard: hardState(1) })
    await write(wal, { group: 2, replica: 1002, entries: entries(16, 15, 1, 300) })
    await write(wal, { group: 5, replica: 1005, hard: hardState(2) })
    await wal.close()
    flip(disk, FIRST, 1200)
    await (await reopened(disk)).wal.close()
    expect(disk.paths()).not.toContain(SECOND)
    const { damage, live } = await reopened(disk)
    expect([live, damage]).toMatchObject([[5], [{ file: FIRST, groups: [2], everyGroup: false }]])
  })

  it('is noticed when the file is gone', async () => {
    const disk = sound.clone()
    await disk.remove(SECOND)
    const { damage, live } = await reopened(disk)
    expect(damage).toEqual([
      { file: SECOND, offset: 0, reason: 'the segment is missing', groups: [2], everyGroup: false },
    ])
    expect(live).toEqual([1, 3, 4])
  })

  it('is noticed when the oldest file is gone without having been released', async () => {
    const disk = sound.clone()
    await disk.remove(FIRST)
    const { damage, live } = await reopened(disk)
    expect(damage).toEqual([
      { file: FIRST, offset: 0, reason: 'the segment is missing', groups: [1, 2, 4], everyGroup: false },
    ])
    expect(live).toEqual([3])
  })

  it('takes every replica known afterwards when two files are gone', async () => {
    const disk = sound.clone()
    await disk.remove(FIRST)
    await disk.remove(SECOND)
    const { damage, live } = await reopened(disk)
    expect(damage.map(({ file, everyGroup }) => [file, everyGroup])).toEqual([
      [FIRST, true],
      [SECOND, false],
    ])
    expect(live).toEqual([3])
  })
})

describe('damage of the newest segment', () => {
  it('costs every replica if it lies before a valid batch', async () => {
    const disk = sound.clone()
    const header = disk.contents(NEWEST)
    const firstBatch = header.findIndex((_, at) => at >= 512 && at % 512 === 0 && header[at + 3] === 0x42)
    const last = disk.contents(NEWEST).byteLength - 1
    for (const offset of [0, 100, firstBatch, firstBatch + 70, firstBatch + 300]) {
      const one = sound.clone()
      flip(one, NEWEST, offset)
      const { damage, live } = await reopened(one)
      expect(damage[0]).toMatchObject({
        file: NEWEST,
        groups: [1, 2, 4],
        everyGroup: true,
      })
      expect(live).toEqual([])
    }
    expect(last).toBeGreaterThan(firstBatch)
  })

  it('costs every replica if it runs from the data of an earlier batch into the last one', async () => {
    const disk = sound.clone()
    const bytes = disk.contents(NEWEST).slice()
    // What is left of the last batch stands behind the end that the head of the one before tells.
    bytes.fill(0, bytes.byteLength - 1024 + 200, bytes.byteLength - 512 + 70)
    disk.replace(NEWEST, bytes)
    const { damage, live } = await reopened(disk)
    expect(damage[0]).toMatchObject({ file: NEWEST, offset: bytes.byteLength - 1024, everyGroup: true })
    expect(live).toEqual([])
  })

  it('is found where bytes cut out of the header moved the only batch off its place', async () => {
    const disk = new SimulatedDisk()
    const { wal } = await openLog(disk, OPTIONS)
    await write(wal, { group: 1, replica: 1001, entries: entries(1, 1) })
    disk.kill()
    disk.replace(FIRST, disk.contents(FIRST).slice(300))
    expect((await reopened(disk)).damage[0]).toMatchObject({ file: FIRST, offset: 0, everyGroup: true })
  })

  it('lets a replica that only others know of be buried before anything else', async () => {
    const disk = sound.clone()
    flip(disk, NEWEST, 100)
    const { wal } = await reopened(disk)
    expect([wal.group(3), wal.tombstone(3)]).toEqual([undefined, undefined])
    await write(wal, { group: 3, replica: 1003, removed: true })
    await settle()
    disk.kill()
    const again = await openLog(disk, OPTIONS, 78)
    expect(again.wal.tombstone(3)).toBe(1003)
    // Whoever knows of yet another one must be told as long as there is no other log.
    expect(again.damage).toMatchObject([{ file: NEWEST, groups: [1, 2, 4], everyGroup: true }])
    expect(() => again.wal.append({ group: 3, replica: 1003, hard: hardState(1) }, () => undefined)).toThrow(
      /comes back/,
    )
  })

  it('is a torn write, and cut, in the last batch: at any byte, flipped or cut off', async () => {
    const bytes = sound.contents(NEWEST)
    const lastBatch = bytes.byteLength - 512
    for (let offset = lastBatch; offset < bytes.byteLength; offset += 7) {
      for (const harm of [flip, truncate]) {
        const disk = sound.clone()
        harm(disk, NEWEST, offset)
        const { wal, damage } = await reopened(disk)
        expect(damage).toEqual([])
        expect(wal.group(3)?.lastIndex()).toBe(2)
        expect(wal.group(2)?.lastIndex()).toBe(30)
        expect(disk.contents(NEWEST).byteLength).toBe(lastBatch)
      }
    }
  }, 60_000)

  it('never existed if its header is invalid and no batch was ever written to it', async () => {
    for (const contents of [new Uint8Array(0), new Uint8Array(2048), sound.contents(NEWEST).slice(0, 300)]) {
      const disk = sound.clone()
      disk.replace(NEWEST, contents)
      const { damage, live, wal } = await reopened(disk)
      expect(damage).toEqual([])
      expect(live).toEqual([1, 2, 4])
      await write(wal, { group: 1, replica: 1001, entries: [entry(6)] })
      disk.kill()
      expect((await openLog(disk, OPTIONS, 79)).wal.group(1)?.lastIndex()).toBe(6)
    }
  })

  it('takes zeros behind the last batch for the clean end', async () => {
    const disk = sound.clone()
    const bytes = disk.contents(NEWEST)
    const longer = new Uint8Array(bytes.byteLength + 8192)
    longer.set(bytes)
    disk.replace(NEWEST, longer)
    const { wal, damage } = await reopened(disk)
    expect(damage).toEqual([])
    await write(wal, { group: 3, replica: 1003, entries: [entry(4)] })
    expect(disk.contents(NEWEST).byteLength).toBe(longer.byteLength)
    disk.kill()
    expect((await openLog(disk, OPTIONS, 79)).wal.group(3)?.lastIndex()).toBe(4)
  })
})

describe('a log that contradicts itself', () => {
  it('costs a group its replica if entries are missing that nothing says were released', async () => {
    const disk = new SimulatedDisk()
    const id = { chain: 0, seed: 'ab'.repeat(8), segment: 1, sequence: 1 }
    const header = encodeFrame({ kind: 'header', ...id }, [], { floor: 1 })
    const inputs = [
      { group: 1, replica: 1001, entries: entries(1, 2) },
      { group: 2, replica: 1002, entries: entries(4, 2) },
    ]
    const batch = encodeFrame({ kind: 'batch', ...id, chain: header.headCrc }, inputs, {})
    disk.replace(FIRST, Buffer.concat([...header.buffers, ...batch.buffers]))
    const { damage, live } = await reopened(disk)
    expect(damage).toMatchObject([{ reason: 'entries are missing', groups: [2], everyGroup: false }])
    expect(live).toEqual([1])
  })
})

describe('a log that cannot be judged', () => {
  it('refuses what a later version remembers of damage', async () => {
    const disk = sound.clone()
    const crc = crc32(JSON.stringify([3, [], 7]))
    disk.replace(`${DIR}/DAMAGED.json`, Buffer.from(JSON.stringify({ format: 3, crc, places: [], more: 7 })))
    await expect(openLog(disk, OPTIONS)).rejects.toMatchObject({ reason: 'UNSUPPORTED' })
  })

  it('refuses a format it does not know', async () => {
    const disk = sound.clone()
    const bytes = disk.contents(FIRST).slice(0, 512)
    const block = new Uint8Array(64)
    sealFrame(block, { kind: 'header', chain: 0, seed: '00'.repeat(8), segment: 1, sequence: 1 }, 0, 0)
    block[48] = 2
    new DataView(block.buffer).setUint32(60, crc32(block.subarray(0, 60)), true)
    bytes.fill(0)
    bytes.set(block)
    disk.replace(FIRST, bytes)
    await expect(openLog(disk, OPTIONS)).rejects.toThrow(/format 2/)
  })
})
