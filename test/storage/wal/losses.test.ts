/** What a log forgets once its node knows the catalog. */

import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { Wal } from '../../../src/storage/wal/types.ts'
import { settle } from '../manual-env.ts'
import { SimulatedDisk } from '../simulated-disk.ts'
import { DIR, entries, hardState, openLog, write } from './harness.ts'

const OPTIONS = { segmentBytes: 8192, retainBytes: 0 }
const NEVER = () => false
const ALWAYS = () => true
const MEMORY = `${DIR}/DAMAGED.json`

/** What it writes is covered; `keepFrom`: as far as nobody needs it. */
async function fillSegments(wal: Wal, group: number, segments: number, keepFrom = Infinity): Promise<void> {
  const target = wal.stats().batches + segments * 5
  let last = wal.group(group)?.lastIndex() ?? 0
  while (wal.stats().batches < target) {
    await write(wal, { group, replica: group + 1000, entries: entries(last + 1, 4, 1, 500) })
    last += 4
    wal.release(group, { index: last, term: 1 }, Math.min(keepFrom, last + 1))
    await settle()
  }
}

const kept = (disk: SimulatedDisk) => JSON.parse(Buffer.from(disk.contents(MEMORY)).toString())

/** A log in which group 1 lives, and whatever else there was was lost. */
async function damagedLog(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  const { wal } = await openLog(disk, OPTIONS)
  await write(wal, { group: 1, replica: 1001, hard: hardState(1) })
  await wal.close()
  disk.replace(MEMORY, Buffer.from('{'))
  return disk
}

describe('damage of nobody knows whom', () => {
  it('is of none that came after it: remembered from when the catalog is known, over every start', async () => {
    const disk = await damagedLog()
    const first = await openLog(disk, OPTIONS, 2)
    expect([first.damage[0]?.everyGroup, first.losses.lostBelow]).toEqual([true, Number.POSITIVE_INFINITY])
    await first.losses.caughtUp({ nextId: 1040, isAsked: ALWAYS })
    expect(first.losses.lostBelow).toBe(1040)
    await first.wal.close()
    const again = await openLog(disk, OPTIONS, 3)
    expect([again.damage, again.losses.lostBelow]).toEqual([first.damage, 1040])
    // What was handed out since cannot have been lost there.
    await again.losses.caughtUp({ nextId: 1090, isAsked: ALWAYS })
    expect([again.losses.lostBelow, kept(disk).lostBelow]).toEqual([1040, 1040])
  })

  it('counts at once though it cannot be remembered, and is found out again at the next start', async () => {
    const disk = await damagedLog()
    const { wal, losses } = await openLog(disk, OPTIONS, 2)
    disk.fault = (_, path) => (path.endsWith('DAMAGED.json.new') ? { type: 'error', code: 'EIO' } : undefined)
    await expect(losses.caughtUp({ nextId: 1040, isAsked: ALWAYS })).rejects.toThrow()
    expect(losses.lostBelow).toBe(1040)
    disk.fault = () => undefined
    await wal.close()
    expect((await openLog(disk, OPTIONS, 3)).losses.lostBelow).toBe(Number.POSITIVE_INFINITY)
  })

  it('that is new puts what is remembered of earlier damage out of force; known damage does not', async () => {
    const disk = await damagedLog()
    const first = await openLog(disk, OPTIONS, 2)
    await first.losses.caughtUp({ nextId: 1040, isAsked: ALWAYS })
    await first.wal.close()
    const names = disk.paths().filter((path) => path.endsWith('.wal'))
    const newest = names.sort().at(-1) ?? ''
    const bytes = disk.contents(newest).slice()
    bytes[100] = (bytes[100] ?? 0) ^ 1
    disk.replace(newest, bytes)
    const again = await openLog(disk, OPTIONS, 3)
    expect([again.damage.length, again.losses.lostBelow]).toEqual([2, Number.POSITIVE_INFINITY])
  })

  it('is read as the first format kept it', async () => {
    const disk = await damagedLog()
    const place = { file: 'x.wal', offset: 5, reason: 'a test', everyGroup: true, lost: [] }
    const crc = crc32(JSON.stringify([1, [place]]))
    disk.replace(MEMORY, Buffer.from(JSON.stringify({ format: 1, crc, places: [place] })))
    const { damage, losses } = await openLog(disk, OPTIONS, 2)
    const { lost: _, ...told } = place
    expect([damage, losses.lostBelow]).toEqual([[{ ...told, groups: [] }], Number.POSITIVE_INFINITY])
    await losses.caughtUp({ nextId: 1040, isAsked: ALWAYS })
    expect(kept(disk)).toMatchObject({ format: 2, places: [place], lostBelow: 1040 })
  })

  it('is forgotten for groups that are gone, and with the last of them altogether', async () => {
    const disk = await damagedLog()
    const lost = [2, 3].map((group) => ({ group, replica: group + 1000 }))
    const place = { file: 'x.wal', offset: 5, reason: 'a test', everyGroup: false, lost }
    const crc = crc32(JSON.stringify([1, [place]]))
    disk.replace(MEMORY, Buffer.from(JSON.stringify({ format: 1, crc, places: [place] })))
    const told = async (seed: number, isAsked: (group: number) => boolean) => {
      const { wal, damage, losses } = await openLog(disk, OPTIONS, seed)
      await losses.caughtUp({ nextId: 1040, isAsked })
      await wal.close()
      return damage.map(({ groups }) => groups)
    }
    expect(await told(2, (group) => group !== 2)).toEqual([[2, 3]])
    expect(await told(3, NEVER)).toEqual([[3]])
    expect(await told(4, NEVER)).toEqual([])
  })
})

describe('a tombstone', () => {
  /** A log with one, of group 5, and so many segments behind it. */
  async function buried(segments: number) {
    const disk = new SimulatedDisk()
    const opened = await openLog(disk, OPTIONS)
    const { wal } = opened
    await write(wal, { group: 5, replica: 1005, entries: entries(1, 3), hard: hardState(9) })
    await fillSegments(wal, 2, 2)
    await write(wal, { group: 5, replica: 1005, removed: true })
    await fillSegments(wal, 2, segments)
    return { disk, ...opened }
  }

  it('goes with the next segment once none holds anything of its replica and nobody will ask for it', async () => {
    const { disk, wal, losses } = await buried(3)
    await losses.caughtUp({ nextId: 1040, isAsked: (group) => group !== 5 })
    expect(wal.tombstone(5)).toBe(1005)
    await fillSegments(wal, 2, 2)
    expect(wal.tombstone(5)).toBeUndefined()
    disk.crash(() => 0.5)
    const again = await openLog(disk, OPTIONS, 2)
    expect([again.wal.tombstone(5), again.wal.group(5), again.damage]).toEqual([undefined, undefined, []])
  })

  it('stays as long as somebody may ask, and before it is known who may', async () => {
    const { disk, wal, losses } = await buried(5)
    expect(wal.tombstone(5)).toBe(1005)
    await losses.caughtUp({ nextId: 1040, isAsked: (group, replica) => group === 5 && replica === 1005 })
    await fillSegments(wal, 2, 5)
    disk.kill()
    expect((await openLog(disk, OPTIONS, 2)).wal.tombstone(5)).toBe(1005)
  })

  it('stays while a segment has records of its replica, or a header that repeats them: the one it is in may be damaged', async () => {
    const disk = new SimulatedDisk()
    const { wal, losses } = await openLog(disk, { ...OPTIONS, retainBytes: 60_000 })
    await losses.caughtUp({ nextId: 1040, isAsked: NEVER })
    await write(wal, { group: 5, replica: 1005, entries: entries(1, 3), hard: hardState(9) })
    await fillSegments(wal, 2, 2, 1)
    await write(wal, { group: 5, replica: 1005, removed: true })
    const segments = () =>
      disk
        .paths()
        .filter((path) => path.endsWith('.wal'))
        .sort()
    const place = segments().at(-1) ?? ''
    let damaged = 0
    for (let seed = 2; wal.tombstone(5) !== undefined && seed < 30; seed++) {
      await fillSegments(wal, 2, 1, 1)
      const copy = disk.clone()
      copy.kill()
      if (segments().includes(place) && segments().at(-1) !== place) {
        const bytes = copy.contents(place).slice()
        bytes[1000] = (bytes[1000] ?? 0) ^ 1
        copy.replace(place, bytes)
        damaged++
      }
      const again = await openLog(copy, OPTIONS, seed)
      expect([again.wal.group(5), again.damage.filter(({ groups }) => groups.includes(5))]).toEqual([undefined, []])
    }
    expect([damaged > 2, wal.tombstone(5)]).toEqual([true, undefined])
  })
})
