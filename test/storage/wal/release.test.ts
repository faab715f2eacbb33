import { describe, expect, it } from 'vitest'
import type { Wal } from '../../../src/storage/wal/types.ts'
import { settle } from '../manual-env.ts'
import { SimulatedDisk } from '../simulated-disk.ts'
import { DIR, entries, entry, hardState, openLog, texts, write } from './harness.ts'

const OPTIONS = { segmentBytes: 8192, retainBytes: 0 }

function oldest(disk: SimulatedDisk): string | undefined {
  return disk
    .paths()
    .filter((path) => path.endsWith('.wal'))
    .sort()[0]
    ?.slice(DIR.length + 1)
}

/** Fills `segments` segments with entries of one group. Returns its last index. */
async function fill(wal: Wal, group: number, segments: number): Promise<number> {
  const target = wal.stats().segments + segments
  let last = wal.group(group)?.lastIndex() ?? 0
  while (wal.stats().segments < target) {
    await write(wal, { group, replica: group + 1000, entries: entries(last + 1, 4, 1, 500) })
    last += 4
  }
  return last
}

function release(wal: Wal, group: number, index: number, keepFrom = index + 1): void {
  wal.release(group, { index, term: wal.group(group)?.term(index) ?? 0 }, keepFrom)
}

describe('a segment', () => {
  it('stays while one group has entries in it that no checkpoint covers, and that group is a laggard', async () => {
    const disk = new SimulatedDisk()
    const { wal } = await openLog(disk, OPTIONS)
    await write(wal, { group: 1, replica: 1001, entries: entries(1, 30, 1, 600) })
    const last = await fill(wal, 2, 3)
    release(wal, 2, last)
    await settle()
    expect(oldest(disk)).toBe('0000000001.wal')
    expect(wal.laggards()).toEqual([1])
    release(wal, 1, 30)
    await settle(100)
    expect(oldest(disk)).not.toBe('0000000001.wal')
    expect(wal.laggards()).toEqual([])
    expect(wal.group(1)?.base).toEqual({ index: 30, term: 1 })
    expect(wal.group(1)?.lastIndex()).toBe(30)
  })

  it('that many groups hold whom no checkpoint relieves goes once twice as much lies behind it, by copies in parts', async () => {
    const disk = new SimulatedDisk()
    const { wal } = await openLog(disk, OPTIONS)
    const groups = Array.from({ length: 20 }, (_, i) => i + 1)
    await write(wal, ...groups.map((group) => ({ group, replica: group + 1000, entries: entries(1, 2, 1, 400) })))
    const held = groups.length * 800
    for (let segments = 2; wal.stats().bytes < 2 * held; segments++) {
      release(wal, 99, await fill(wal, 99, 1))
      await settle()
      expect([oldest(disk), wal.stats().segments]).toEqual(['0000000001.wal', segments])
    }
    const batches = wal.stats().batches
    let bytesMax = 0
    for (let i = 0; i < 20; i++) {
      release(wal, 99, await fill(wal, 99, 1))
      await settle(100)
      bytesMax = Math.max(bytesMax, wal.stats().bytes)
    }
    expect(bytesMax).toBeLessThan(4 * held)
    expect(wal.stats().batches - batches).toBeGreaterThan(20)
    disk.crash(() => 0.5)
    const again = await openLog(disk, OPTIONS, 2)
    expect(again.damage).toEqual([])
    const two = entries(1, 2, 1, 400).map(({ data }) => Buffer.from(data).toString())
    expect(groups.map((group) => texts(again.wal.group(group)))).toEqual(groups.map(() => two))
  })

  it('that holds more than is copied at once goes though checkpoints cover the beginning of what each group has there', async () => {
    const disk = new SimulatedDisk()
    const { wal } = await openLog(disk, OPTIONS)
    const groups = [1, 2, 3]
    await write(wal, ...groups.map((group) => ({ group, replica: group + 1000, entries: entries(1, 8, 1, 500) })))
    for (const group of groups) release(wal, group, 2)
    for (let i = 0; i < 12; i++) {
      release(wal, 99, await fill(wal, 99, 1))
      await settle(100)
    }
    expect(oldest(disk)).not.toBe('0000000001.wal')
    const { batches } = wal.stats()
    await settle(100)
    expect(wal.stats().batches).toBe(batches)
    const kept = groups.map((group) => [wal.group(group)?.firstIndex(), texts(wal.group(group)).length])
    expect(kept).toEqual(groups.map(() => [3, 6]))
  })

  it('is asked for early: by groups whose entries have half of what is retained behind them, in whatever segment', async () => {
    const { wal } = await openLog(new SimulatedDisk(), { ...OPTIONS, retainBytes: 100_000 })
    await write(wal, { group: 1, replica: 1001, entries: entries(1, 1, 1, 1000) })
    await fill(wal, 99, 2)
    await write(wal, { group: 2, replica: 1002, entries: entries(1, 1, 1, 1000) })
    const lagging = async (segments: number) => {
      release(wal, 99, await fill(wal, 99, segments))
      return wal.laggards()
    }
    const seen: unknown[] = []
    for (let i = 0; i < 7; i++) seen.push(await lagging(1))
    expect(seen.slice(0, 3)).toEqual([[], [], []])
    expect(seen).toContainEqual([1])
    expect(seen.at(-1)).toEqual([1, 2])
    release(wal, 1, 1)
    expect(wal.laggards()).toEqual([2])
  })

  it('goes when the few live entries in it were copied forward, through the last index of their log', async () => {
    const disk = new SimulatedDisk()
    const { wal } = await openLog(disk, OPTIONS)
    await write(wal, { group: 1, replica: 1001, entries: entries(1, 3), hard: hardState(5, 2, 1) })
    await fill(wal, 2, 1)
    await write(wal, { group: 1, replica: 1001, entries: [entry(4, 2)] })
    const last = await fill(wal, 2, 2)
    release(wal, 1, 1)
    release(wal, 2, last)
    await settle(100)
    expect(oldest(disk)).toBe('0000000004.wal')
    const expected = [...entries(2, 2), entry(4, 2)].map(({ data }) => Buffer.from(data).toString())
    expect(texts(wal.group(1))).toEqual(expected)
    disk.crash(() => 0.9)
    const again = await openLog(disk, OPTIONS, 2)
    expect(again.damage).toEqual([])
    expect(texts(again.wal.group(1))).toEqual(expected)
    expect(again.wal.group(1)?.base).toEqual({ index: 1, term: 1 })
    expect(again.wal.group(1)?.hard).toEqual(hardState(5, 2, 1))
  })

  it('stays for a follower only while the log behind it is smaller than what is retained', async () => {
    for (const [retainBytes, gone] of [
      [1_000_000, false],
      [9000, true],
    ] as const) {
      const disk = new SimulatedDisk()
      const { wal } = await openLog(disk, { ...OPTIONS, retainBytes })
      const last = await fill(wal, 1, 3)
      release(wal, 1, last, 1)
      await settle(100)
      expect(oldest(disk) !== '0000000001.wal').toBe(gone)
      expect(wal.laggards()).toEqual([])
    }
  })

  it('is deleted only after the base that replaces it is durable', async () => {
    const disk = new SimulatedDisk()
    const { wal } = await openLog(disk, OPTIONS)
    const last = await fill(wal, 1, 2)
    disk.fault = (operation) => (operation === 'datasync' ? { type: 'hang' } : undefined)
    release(wal, 1, last)
    await settle(100)
    expect(oldest(disk)).toBe('0000000001.wal')
  })

  it('is released after a restart if the last run could not delete it any more', async () => {
    const disk = new SimulatedDisk()
    const { wal } = await openLog(disk, OPTIONS)
    const last = await fill(wal, 1, 2)
    disk.fault = (operation) => (operation === 'remove' ? { type: 'hang' } : undefined)
    release(wal, 1, last)
    await settle(100)
    disk.kill()
    disk.fault = () => undefined
    const again = await openLog(disk, OPTIONS, 2)
    await settle(100)
    expect(oldest(disk)).toBe('0000000003.wal')
    expect(again.damage).toEqual([])
    expect(again.wal.group(1)?.lastIndex()).toBe(last)
  })

  it('of a removed replica holds nothing', async () => {
    const disk = new SimulatedDisk()
    const { wal } = await openLog(disk, OPTIONS)
    const last = await fill(wal, 1, 2)
    await write(wal, { group: 2, replica: 1002, entries: entries(1, 1) })
    release(wal, 1, last - 30)
    await write(wal, { group: 1, replica: 1001, removed: true })
    await settle(100)
    expect(wal.stats().segments).toBe(1)
    disk.kill()
    const again = await openLog(disk, OPTIONS, 2)
    expect([again.wal.tombstone(1), again.wal.group(2)?.lastIndex(), again.damage]).toEqual([1001, 1, []])
  })
})

describe('on a full disk', () => {
  const LARGE = { segmentBytes: 64 * 1024, retainBytes: 1 << 20, reserveBytes: 8192 }

  /** A log of one segment, far from its size, with `bytes` of room left. */
  async function almostFull(room: number) {
    const disk = new SimulatedDisk()
    const opened = await openLog(disk, LARGE)
    await settle()
    await write(opened.wal, { group: 1, replica: 1001, entries: entries(1, 40, 1, 600), hard: hardState(1, 1, 40) })
    await write(opened.wal, { group: 2, replica: 1002, entries: entries(1, 1) })
    disk.capacity = disk.used() + room
    return { disk, ...opened }
  }

  it('the only segment is sealed before its time, once checkpoints cover it, and goes', async () => {
    const { disk, wal, env, states } = await almostFull(12_000)
    expect(wal.laggards()).toEqual([])
    env.advance(1000)
    await settle()
    expect([states, wal.laggards()]).toEqual([['full'], [1, 2]])
    release(wal, 2, 1)
    await settle(60)
    expect(oldest(disk)).toBe('0000000001.wal')
    // Even what a follower could use: it gets a snapshot.
    release(wal, 1, 40)
    await settle(100)
    expect([oldest(disk), wal.laggards(), wal.stats().segments]).toEqual(['0000000002.wal', [], 1])
    env.advance(1000)
    await settle(100)
    expect([states, wal.stats().segments, oldest(disk)]).toEqual([['full', 'ok'], 1, '0000000002.wal'])
    disk.kill()
    const again = await openLog(disk, LARGE, 2)
    expect([again.damage, again.wal.group(1)?.base.index, again.wal.group(1)?.hard]).toEqual([
      [],
      40,
      hardState(1, 1, 40),
    ])
  })

  it('nothing is held for whom a snapshot is on its way', async () => {
    const disk = new SimulatedDisk()
    const { wal, env, states } = await openLog(disk, { ...OPTIONS, retainBytes: 1 << 20, reserveBytes: 8192 })
    const last = await fill(wal, 1, 3)
    wal.release(1, { index: last, term: 1 }, last + 1, 1)
    await settle(100)
    expect(oldest(disk)).toBe('0000000001.wal')
    disk.capacity = disk.used() + 1000
    env.advance(1000)
    await settle(100)
    expect([oldest(disk) === '0000000001.wal', states[0]]).toEqual([false, 'full'])
  })

  it('what a batch could not be written for is made room for by the reserve and that segment', async () => {
    const { disk, wal, env, states } = await almostFull(500)
    let confirmed = false
    wal.append({ group: 1, replica: 1001, entries: entries(41, 1, 1, 9000) }, () => {
      confirmed = true
    })
    await settle()
    expect([confirmed, states]).toEqual([false, ['full']])
    release(wal, 1, 40)
    release(wal, 2, 1)
    for (let i = 0; i < 3; i++) {
      env.advance(1000)
      await settle(60)
    }
    expect([confirmed, oldest(disk)]).toEqual([true, '0000000002.wal'])
    expect(texts(wal.group(1))).toHaveLength(1)
  })

  it('what is copied into a segment is no reason to seal that one too', async () => {
    const { disk, wal, env } = await almostFull(12_000)
    await write(wal, { group: 2, replica: 1002, entries: entries(2, 1) })
    env.advance(1000)
    await settle()
    release(wal, 1, 40)
    release(wal, 2, 1)
    await settle(200)
    const { batches } = wal.stats()
    expect([oldest(disk), wal.group(2)?.lastIndex(), wal.laggards()]).toEqual(['0000000002.wal', 2, []])
    disk.capacity = disk.used() + 12_000
    for (let i = 0; i < 5; i++) {
      env.advance(1000)
      await settle(60)
    }
    expect([oldest(disk), wal.stats().state]).toEqual(['0000000002.wal', 'full'])
    // One to prove the last.
    expect(wal.stats().batches - batches).toBeLessThanOrEqual(1)
  })
})

describe('reading entries', () => {
  it('gives at least one, then as many as fit, from memory and from segments alike', async () => {
    for (const cacheBytes of [0, 3000, 1_000_000]) {
      const { wal } = await openLog(new SimulatedDisk(), { ...OPTIONS, cacheBytes })
      const last = await fill(wal, 1, 2)
      const log = wal.group(1)
      const sizes = [1, 499, 500, 999, 1000, 1001, 1_000_000].map((max) => log?.entries(1, last + 1, max).length)
      expect(sizes).toEqual([1, 1, 1, 1, 2, 2, last])
      expect(log?.entries(last - 1, last, 10_000).map(({ index }) => index)).toEqual([last - 1])
      expect(log?.bytesFrom(last - 2)).toBe(1500)
      expect(() => log?.entries(last + 1, last + 2, 1)).toThrow(/within the log/)
    }
  })

  it('does not keep the network frame alive from which an entry came', async () => {
    const { wal } = await openLog(new SimulatedDisk())
    const frame = new Uint8Array(1_000_000).fill(7)
    await write(wal, { group: 1, replica: 1, entries: [{ ...entry(1), data: frame.subarray(10, 310) }] })
    const data = wal.group(1)?.entries(1, 2, 1000)[0]?.data
    expect(data).toEqual(frame.slice(10, 310))
    expect(data?.buffer.byteLength).toBeLessThanOrEqual(64 * 1024)
  })
})
