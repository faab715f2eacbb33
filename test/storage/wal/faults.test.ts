import { describe, expect, it } from 'vitest'
import { settle } from '../manual-env.ts'
import { type DiskOperation, type Fault, SimulatedDisk } from '../simulated-disk.ts'
import { DIR, entries, hardState, openLog, texts, write } from './harness.ts'

/** The fault for the first `times` operations of one kind. */
function faults(operation: DiskOperation, fault: Fault, times = Number.POSITIVE_INFINITY) {
  let left = times
  return (one: DiskOperation, path: string) => {
    if (one !== operation || !path.endsWith('.wal') || left === 0) return undefined
    left--
    return fault
  }
}

function reserveOn(disk: SimulatedDisk): boolean {
  return disk.paths().includes(`${DIR}/reserve`)
}

describe('the batches of a log', () => {
  it('confirm nothing before the fdatasync returns, then in order of append', async () => {
    const disk = new SimulatedDisk()
    const { wal } = await openLog(disk)
    const done: number[] = []
    disk.fault = faults('datasync', { type: 'hang' })
    for (const group of [3, 1, 2]) wal.append({ group, replica: group, hard: hardState(1) }, () => done.push(group))
    await settle()
    expect(done).toEqual([])
    expect(wal.group(3)?.hard).toBeUndefined()

    const other = await openLog(new SimulatedDisk())
    for (const group of [3, 1, 2])
      other.wal.append({ group, replica: group, hard: hardState(1) }, () => done.push(group))
    await settle()
    expect(done).toEqual([3, 1, 2])
    expect(other.wal.group(3)?.hard).toEqual(hardState(1))
  })

  it('collect what one turn appends, and what comes while another is on its way', async () => {
    const disk = new SimulatedDisk()
    const { wal } = await openLog(disk)
    const before = disk.syncs
    for (let i = 1; i <= 5; i++) wal.append({ group: 1, replica: 1, entries: entries(i, 1) }, () => undefined)
    await settle(1)
    for (let i = 6; i <= 9; i++) {
      wal.append({ group: 1, replica: 1, entries: entries(i, 1) }, () => undefined)
      await Promise.resolve()
    }
    await settle()
    expect(wal.group(1)?.lastIndex()).toBe(9)
    expect(wal.stats()).toMatchObject({ batches: 2, pendingBytes: 0 })
    expect(disk.syncs - before).toBe(2)
  })

  it('are followed by one empty batch when the log goes idle, and by no more', async () => {
    const disk = new SimulatedDisk()
    const { wal, env } = await openLog(disk)
    await write(wal, { group: 1, replica: 1, entries: entries(1, 1) })
    await settle()
    expect(wal.stats().batches).toBe(1)
    for (let i = 0; i < 5; i++) {
      env.advance(100)
      await settle()
    }
    expect(wal.stats().batches).toBe(2)
  })

  it('are proven before the log closes', async () => {
    const disk = new SimulatedDisk()
    const { wal } = await openLog(disk)
    wal.append({ group: 1, replica: 1, entries: entries(1, 1) }, () => undefined)
    await wal.close()
    expect(wal.stats().batches).toBe(2)
    expect(() => wal.append({ group: 1, replica: 1, hard: hardState(1) }, () => undefined)).toThrow(/closed/)
  })
})

describe('a log on a full disk', () => {
  it('keeps a batch that was written short, cuts the file and tries again', async () => {
    const disk = new SimulatedDisk()
    const { wal, env, states } = await openLog(disk)
    await write(wal, { group: 1, replica: 1, entries: entries(1, 2) })
    const path = `${DIR}/0000000001.wal`
    const size = disk.contents(path).byteLength
    const done: string[] = []
    disk.fault = faults('writev', { type: 'short', bytes: 700 }, 1)
    wal.append({ group: 1, replica: 1, entries: entries(3, 2, 1, 1000) }, () => done.push('first'))
    await settle()
    wal.append({ group: 1, replica: 1, entries: entries(5, 1) }, () => done.push('second'))
    await settle()
    expect(disk.contents(path).byteLength).toBe(size)
    expect([done, states, wal.group(1)?.lastIndex()]).toEqual([[], ['full'], 2])
    env.advance(1000)
    await settle()
    expect(done).toEqual(['first', 'second'])
    env.advance(1000)
    await settle()
    expect(states).toEqual(['full', 'ok'])
    disk.kill()
    expect(texts((await openLog(disk, {}, 2)).wal.group(1))).toHaveLength(5)
  })

  it('gives up its reserve, confirms nothing without room, and takes a reserve again when there is plenty', async () => {
    const disk = new SimulatedDisk()
    const { wal, env, states, fatal } = await openLog(disk, { reserveBytes: 8192 })
    await settle()
    await write(wal, { group: 1, replica: 1, entries: entries(1, 1) })
    expect(reserveOn(disk)).toBe(true)
    disk.capacity = disk.used() + 1000
    let confirmed = false
    wal.append({ group: 1, replica: 1, entries: entries(2, 1, 1, 20_000) }, () => {
      confirmed = true
    })
    await settle()
    expect([confirmed, states, reserveOn(disk)]).toEqual([false, ['full'], false])
    env.advance(600)
    await settle()
    expect([confirmed, wal.stats().state]).toEqual([false, 'full'])
    disk.capacity = Number.POSITIVE_INFINITY
    env.advance(600)
    await settle()
    expect(confirmed).toBe(true)
    env.advance(1000)
    await settle()
    expect([states, reserveOn(disk), fatal]).toEqual([['full', 'ok'], true, []])
  })

  it('gives up its reserve at last when it could not be removed at first, and takes one again', async () => {
    const disk = new SimulatedDisk()
    const { wal, env } = await openLog(disk, { reserveBytes: 8192 })
    await settle()
    disk.capacity = disk.used() + 1000
    disk.fault = (one, path) =>
      one === 'remove' && path.endsWith('reserve') ? { type: 'error', code: 'EIO' } : undefined
    wal.append({ group: 1, replica: 1, entries: entries(1, 1, 1, 20_000) }, () => undefined)
    await settle()
    expect(reserveOn(disk)).toBe(true)
    disk.fault = () => undefined
    env.advance(600)
    await settle()
    expect(reserveOn(disk)).toBe(false)
    disk.capacity = Number.POSITIVE_INFINITY
    env.advance(1600)
    await settle()
    expect(reserveOn(disk)).toBe(true)
  })

  it('makes its reserve though half of an earlier one lies there and could not be removed', async () => {
    const disk = new SimulatedDisk()
    disk.fault = (one, path) =>
      path.endsWith('reserve') && (one === 'writev' || one === 'remove') ? { type: 'error', code: 'EIO' } : undefined
    const { env } = await openLog(disk, { reserveBytes: 8192 })
    await settle()
    expect([reserveOn(disk), disk.used() < 8192]).toEqual([true, true])
    disk.fault = () => undefined
    for (const _ of ['removes it', 'makes it anew']) {
      env.advance(1000)
      await settle()
    }
    expect(disk.used()).toBeGreaterThanOrEqual(8192)
  })

  it('says so below the watermark, while it still confirms', async () => {
    const disk = new SimulatedDisk()
    const { wal, env, states } = await openLog(disk, { reserveBytes: 8192 })
    await settle()
    disk.capacity = disk.used() + 12_000
    env.advance(1000)
    await settle()
    expect(states).toEqual(['full'])
    await write(wal, { group: 1, replica: 1, entries: entries(1, 1) })
    disk.capacity = disk.used() + 20_000
    env.advance(1000)
    await settle()
    expect(states).toEqual(['full'])
    disk.capacity = disk.used() + 25_000
    env.advance(1000)
    await settle()
    expect(states).toEqual(['full', 'ok'])
  })

  it('tries to begin a segment again when there was no room for its header', async () => {
    const disk = new SimulatedDisk()
    const { wal, env, states } = await openLog(disk, { segmentBytes: 2048 })
    await write(wal, { group: 1, replica: 1, entries: entries(1, 1, 1, 3000) })
    disk.fault = (operation, path) =>
      operation === 'writev' && path.endsWith('.new') ? { type: 'error', code: 'ENOSPC' } : undefined
    let confirmed = false
    wal.append({ group: 1, replica: 1, entries: entries(2, 1) }, () => {
      confirmed = true
    })
    await settle()
    expect([confirmed, states]).toEqual([false, ['full']])
    disk.fault = () => undefined
    env.advance(600)
    await settle()
    expect(confirmed).toBe(true)
    disk.kill()
    const again = await openLog(disk, {}, 2)
    expect([again.damage, again.wal.group(1)?.lastIndex()]).toEqual([[], 2])
  })

  it('opens with the help of its reserve when there is no room for a new segment', async () => {
    const disk = new SimulatedDisk()
    const first = await openLog(disk, { segmentBytes: 2048, reserveBytes: 8192 })
    await write(first.wal, { group: 1, replica: 1, entries: entries(1, 1, 1, 3000) })
    await settle()
    disk.kill()
    disk.capacity = disk.used() + 600
    const { wal } = await openLog(disk, { segmentBytes: 2048 }, 2)
    await write(wal, { group: 1, replica: 1, entries: entries(2, 1) })
    expect(wal.stats().segments).toBe(2)
  })

  it.each(['EMFILE', 'ENFILE'])('waits for file handles when it gets %s, and keeps its reserve', async (code) => {
    const disk = new SimulatedDisk()
    const { wal, env, states, fatal } = await openLog(disk, { segmentBytes: 2048, retainBytes: 0, reserveBytes: 8192 })
    await settle()
    await write(wal, { group: 1, replica: 1, entries: entries(1, 1, 1, 3000) })
    disk.fault = (operation, path) =>
      (operation === 'open' && path.endsWith('.new')) || operation === 'syncDir' ? { type: 'error', code } : undefined
    let confirmed = false
    wal.append({ group: 1, replica: 1, entries: entries(2, 1, 1, 3000) }, () => {
      confirmed = true
    })
    await settle()
    expect([confirmed, states, reserveOn(disk)]).toEqual([false, ['full'], true])
    disk.fault = () => undefined
    env.advance(600)
    await settle()
    expect([confirmed, states]).toEqual([true, ['full', 'ok']])

    disk.fault = (operation) => (operation === 'syncDir' ? { type: 'error', code } : undefined)
    wal.release(1, { index: 2, term: 1 }, 3)
    await settle(60)
    disk.fault = () => undefined
    env.advance(600)
    await settle()
    await wal.close()
    expect(fatal).toEqual([])
    expect((await openLog(disk, {}, 2)).damage).toEqual([])
  })

  it('closes without confirming what never found room', async () => {
    const disk = new SimulatedDisk()
    const { wal } = await openLog(disk)
    await write(wal, { group: 1, replica: 1, entries: entries(1, 1) })
    disk.capacity = disk.used()
    let confirmed = false
    wal.append({ group: 1, replica: 1, entries: entries(2, 1, 1, 5000) }, () => {
      confirmed = true
    })
    await wal.close()
    expect(confirmed).toBe(false)
    disk.capacity = Number.POSITIVE_INFINITY
    expect((await openLog(disk, {}, 2)).wal.group(1)?.lastIndex()).toBe(1)
  })
})

describe('a log on a disk that does not answer', () => {
  it('says so after about two seconds, and is well again when the answer comes', async () => {
    let held: (() => void)[] | undefined
    const disk = new SimulatedDisk((run) => (held ? held.push(run) : setImmediate(run)))
    const { wal, env, states } = await openLog(disk)
    const passing = async (looks: number) => {
      for (let i = 0; i < looks; i++) {
        env.advance(250)
        await settle(2)
      }
    }
    held = []
    let confirmed = false
    wal.append({ group: 1, replica: 1, entries: entries(1, 1) }, () => {
      confirmed = true
    })
    await settle()
    await passing(7)
    expect(states).toEqual([])
    await passing(2)
    expect([states, wal.stats().state, confirmed]).toEqual([['stuck'], 'stuck', false])
    const [write] = held
    held = undefined
    write?.()
    await settle()
    expect([states, confirmed]).toEqual([['stuck', 'ok'], true])
  })

  it('does not blame the disk for the sleep of the process', async () => {
    const disk = new SimulatedDisk()
    const { wal, env, states } = await openLog(disk)
    disk.fault = faults('datasync', { type: 'hang' })
    wal.append({ group: 1, replica: 1, entries: entries(1, 1) }, () => undefined)
    await settle()
    env.advance(60_000)
    await settle()
    expect(states).toEqual([])
  })
})

describe('a log on a failing disk', () => {
  it.each(['datasync', 'writev'] as const)('stops for good when %s fails', async (operation) => {
    const disk = new SimulatedDisk()
    const { wal, env, states, fatal } = await openLog(disk)
    await write(wal, { group: 1, replica: 1, entries: entries(1, 1) })
    let confirmed = false
    disk.fault = faults(operation, { type: 'error', code: 'EIO' }, 1)
    const append = (first: number) =>
      wal.append({ group: 1, replica: 1, entries: entries(first, 1) }, () => {
        confirmed = true
      })
    append(2)
    await settle()
    expect([states, fatal.length, confirmed]).toEqual([['failed'], 1, false])
    const before = disk.operations
    append(3)
    env.advance(5000)
    await settle()
    expect([disk.operations - before, fatal.length, confirmed]).toEqual([0, 1, false])
    await wal.close()
  })

  it('stops when an fdatasync fails for want of room: the pages may be gone', async () => {
    const disk = new SimulatedDisk()
    const { wal, fatal } = await openLog(disk)
    disk.fault = faults('datasync', { type: 'error', code: 'ENOSPC' }, 1)
    wal.append({ group: 1, replica: 1, hard: hardState(1) }, () => undefined)
    await settle()
    expect(fatal).toHaveLength(1)
  })

  it('stops when an old entry cannot be read or is not what was written', async () => {
    for (const spoil of ['unreadable', 'changed'] as const) {
      const disk = new SimulatedDisk()
      const { wal, fatal } = await openLog(disk, { cacheBytes: 0 })
      await write(wal, { group: 1, replica: 1, entries: entries(1, 3, 1, 600) })
      const bytes = disk.contents(`${DIR}/0000000001.wal`)
      if (spoil === 'unreadable') disk.fault = faults('read', { type: 'error', code: 'EIO' })
      else bytes.fill(0, 1500, 1510)
      expect(() => wal.group(1)?.entries(1, 4, 10_000)).toThrow()
      expect([fatal.length, wal.stats().state]).toEqual([1, 'failed'])
    }
  })

  it('refuses to open when recovery cannot write the last batch again', async () => {
    const disk = new SimulatedDisk()
    const { wal } = await openLog(disk)
    await write(wal, { group: 1, replica: 1, entries: entries(1, 1) })
    disk.kill()
    disk.fault = faults('sync', { type: 'error', code: 'EIO' })
    await expect(openLog(disk, {}, 2)).rejects.toThrow(/sync/)
  })

  it('writes the last batch again on opening: after a failed fdatasync the page cache lies', async () => {
    const disk = new SimulatedDisk()
    const { wal, fatal } = await openLog(disk)
    await write(wal, { group: 1, replica: 1, entries: entries(1, 1) })
    disk.fault = faults('datasync', { type: 'error', code: 'EIO' }, 1)
    wal.append({ group: 1, replica: 1, entries: entries(2, 1), hard: hardState(2, 2) }, () => undefined)
    await settle()
    expect(fatal).toHaveLength(1)
    disk.kill()
    const offered = (await openLog(disk, {}, 2)).wal.group(1)
    expect([offered?.lastIndex(), offered?.hard]).toEqual([2, hardState(2, 2)])
    disk.crash(() => 0.99)
    const again = await openLog(disk, {}, 3)
    expect([again.damage, again.wal.group(1)?.lastIndex(), again.wal.group(1)?.hard]).toEqual([[], 2, hardState(2, 2)])
  })

  it('makes durable on opening what an earlier run left in the page cache', async () => {
    const disk = new SimulatedDisk()
    const { wal } = await openLog(disk)
    await write(wal, { group: 1, replica: 1, entries: entries(1, 1) })
    disk.fault = faults('datasync', { type: 'hang' })
    wal.append({ group: 1, replica: 1, entries: entries(2, 1) }, () => undefined)
    await settle()
    disk.kill()
    disk.fault = () => undefined
    const again = await openLog(disk, {}, 2)
    expect(again.wal.group(1)?.lastIndex()).toBe(2)
    disk.crash(() => 0.99)
    expect((await openLog(disk, {}, 3)).wal.group(1)?.lastIndex()).toBe(2)
  })
})
