import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ByteReader } from '../../../src/storage/state/files/byte-reader.ts'
import { isLocked, openStateStore, verifyState } from '../../../src/storage/state/store.ts'
import type { GroupState, KeyRange, StateStore } from '../../../src/storage/state/types.ts'
import { ALL, bytes, copySnapshot, meta, pairs, testEnv, text, until } from './fixture.ts'

let root: string
let dir: string
let store: StateStore
let group: GroupState
let errors: unknown[]

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sandglass-leveldb-'))
  dir = join(root, 'state')
  errors = []
  store = await open(dir)
  group = await store.group(7)
})

afterEach(async () => {
  vi.restoreAllMocks()
  await store.close()
  await rm(root, { recursive: true, force: true })
})

function open(at: string, writeBufferBytes = 4 * 1024 * 1024): Promise<StateStore> {
  return openStateStore({ dir: at, env: testEnv(1), onError: (error) => errors.push(error), writeBufferBytes })
}

/** The files as a kill -9 would leave them now. */
async function crashCopy(name: string): Promise<string> {
  const copy = join(root, name)
  await cp(dir, copy, { recursive: true })
  return copy
}

function flip(at: string, suffix: string, where: (file: Buffer) => number): Promise<void> {
  return overwrite(at, suffix, (file) => {
    const offset = where(file)
    file[offset] = (file[offset] ?? 0) ^ 0x20
  })
}

async function overwrite(at: string, suffix: string, change: (file: Buffer) => void): Promise<void> {
  const names = (await readdir(at)).filter((name) => name.endsWith(suffix)).sort()
  const path = join(at, names[names.length - 1] as string)
  const file = await readFile(path)
  change(file)
  await writeFile(path, file)
}

/** Random bytes, so that the blocks lie uncompressed and a flipped byte is not noticed by decompression. */
function noise(seed: number, size: number): Uint8Array {
  let state = seed + 1
  return Uint8Array.from({ length: size }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return state >>> 24
  })
}

/** Closes and opens again, so that rows of the log move into a table. */
async function intoTables(): Promise<void> {
  await store.close()
  store = await open(dir)
  await store.close()
}

async function putNoise(rows: number): Promise<void> {
  for (let i = 0; i < rows; i++) group.put(`k${String(i).padStart(5, '0')}`, noise(i, 300))
  await group.checkpoint(meta(1))
}

describe('a folder', () => {
  test('is opened once; the second opening fails recognisably', async () => {
    const second = open(dir)
    await expect(second).rejects.toMatchObject({ reason: 'INTERNAL' })
    await second.catch((error) => expect(isLocked(error)).toBe(true))
    await verifyState(dir).catch((error) => expect(isLocked(error)).toBe(true))
    await expect(verifyState(dir)).rejects.toBeDefined()
    expect(isLocked(new Error('other'))).toBe(false)
  })

  test('that never held a state is verified as empty', async () => {
    expect(await verifyState(join(root, 'nowhere'))).toEqual({ groups: 0, rows: 0, damage: [] })
  })
})

describe('a crash', () => {
  test('at any moment of a checkpoint leaves the checkpoint before or the whole new one', async () => {
    for (let i = 0; i < 2000; i++) group.put(`k${i}`, bytes('1'))
    await group.checkpoint(meta(1))
    for (let i = 0; i < 2000; i++) group.put(`k${i}`, bytes('2'))
    let done = false
    const checkpoint = group.checkpoint(meta(2)).then(() => {
      done = true
    })
    const copies: string[] = []
    while (!done) copies.push(await crashCopy(`crash${copies.length}`))
    await checkpoint
    copies.push(await crashCopy('after'))
    for (const copy of copies) {
      const again = await open(copy)
      const state = await again.group(7)
      expect(state.damage).toBeUndefined()
      const rows = await state.scan(ALL, 5000)
      expect(rows.length).toBe(2000)
      expect(rows.every((row) => text(row.value) === String(state.meta?.applied))).toBe(true)
      await again.close()
    }
  })
})

describe('damage', () => {
  test('a batch that LevelDB drops at its start is noticed, and a snapshot heals the group', async () => {
    for (const applied of [1, 2, 3]) {
      // LevelDB leaves out the rest of a damaged block of its log, 32 KiB.
      group.put(`row ${applied}`, noise(applied, 40_000))
      await group.checkpoint(meta(applied))
    }
    const copy = await crashCopy('damaged')
    await flip(copy, '.log', (file) => file.indexOf('row 2') + 1000)
    expect((await verifyState(copy)).damage.join()).toContain('.log: damaged at')
    const again = await open(copy)
    const state = await again.group(7)
    expect(state.meta).toBeDefined()
    expect(state.damage).toContain('batch 2 is missing')
    expect(() => state.get('row 3')).toThrow('damaged')
    await expect(state.scan(ALL, 10)).rejects.toMatchObject({ reason: 'INTERNAL' })
    await expect(state.checkpoint(meta(4))).rejects.toMatchObject({ reason: 'INTERNAL' })
    await expect(state.openSnapshot()).rejects.toMatchObject({ reason: 'INTERNAL' })
    const sink = await state.beginInstall()
    await sink.commit(await copySnapshot(group, sink))
    expect(state.damage).toBeUndefined()
    expect((await state.scan(ALL, 10)).map((row) => row.key)).toEqual(['row 1', 'row 2', 'row 3'])
    await until(() => again.stats().deadGenerations === 0)
    await again.close()
    expect(await verifyState(copy)).toEqual({ groups: 1, rows: 3, damage: [] })
  })

  test('a torn last batch is no damage: the checkpoint before it counts', async () => {
    for (const applied of [1, 2]) {
      group.put(`row ${applied}`, noise(applied, 2000))
      await group.checkpoint(meta(applied))
    }
    const copy = await crashCopy('torn')
    await flip(copy, '.log', (file) => file.indexOf('row 2') + 1000)
    expect((await verifyState(copy)).damage).toEqual([])
    const again = await open(copy)
    const state = await again.group(7)
    expect(state.meta).toEqual(meta(1))
    expect(state.damage).toBeUndefined()
    await again.close()
  })

  test('a flipped byte of a table is found by verify and never handed out', async () => {
    await putNoise(1000)
    await intoTables()
    expect(await verifyState(dir)).toEqual({ groups: 1, rows: 1000, damage: [] })
    await flip(dir, '.ldb', (file) => file.indexOf(noise(500, 300).subarray(10, 40)))
    const report = await verifyState(dir)
    expect(report.damage.join()).toMatch(/\.ldb: checksum of the block at \d+ is wrong/)
    store = await open(dir)
    group = await store.group(7)
    expect(group.damage).toBeUndefined()
    expect((await group.scan({ gte: 'k00900', lt: 'l' }, 10)).length).toBe(10)
    expect(() => group.get('k00500')).toThrow('Cannot read state')
    expect(group.damage).toContain('k00500'.replaceAll(/./g, (c) => c.charCodeAt(0).toString(16)))
    await expect(group.scan(ALL, 2000)).rejects.toMatchObject({ reason: 'INTERNAL' })
  })

  test('a block that LevelDB passes over makes a scan fail, even one that stops early', async () => {
    await putCompressible(4000)
    // Wide enough to take away a whole compressed block with its length.
    await overwrite(dir, '.ldb', (file) => file.fill(0, file.length >> 1, (file.length >> 1) + 1500))
    expect((await verifyState(dir)).damage.length).toBe(1)
    await expectScan({ gte: 'k03990', lt: 'l' }, 5, 5)
    await expectScan({ gte: 'k00000', lt: 'k00010' }, 20, 10)
    await expectScan(ALL, 5000, undefined)
    await expectScan(ALL, 2500, undefined)
  })

  test('a block that cannot be read does not spoil scans that stop before it', async () => {
    await putCompressible(4000)
    await overwrite(dir, '.ldb', (file) => file.fill(0, endOfRows(file) - 600, endOfRows(file)))
    await expectScan(ALL, 5, 5)
    await expectScan(ALL, 2500, 2500)
    await expectScan(ALL, 5, undefined, true)
  })

  async function putCompressible(rows: number): Promise<void> {
    const value = 'compressible '.repeat(30)
    for (let i = 0; i < rows; i++) group.put(`k${String(i).padStart(5, '0')}`, bytes(value))
    await group.checkpoint(meta(1))
    await intoTables()
  }

  /** `count` undefined: the scan is refused. Each on a store that has not met the damage yet. */
  async function expectScan(range: KeyRange, limit: number, count: number | undefined, reverse = false): Promise<void> {
    store = await open(dir)
    group = await store.group(7)
    const scan = group.scan(range, limit, { reverse })
    if (count === undefined) await expect(scan).rejects.toMatchObject({ reason: 'INTERNAL' })
    else expect((await scan).length).toBe(count)
    expect(group.damage === undefined).toBe(count !== undefined)
    await store.close()
  }

  /** Where the filter block begins: its handle is the value of the only entry in the block that the footer names. */
  function endOfRows(file: Buffer): number {
    const entry = new ByteReader(file, new ByteReader(file.subarray(-48)).varint())
    entry.varint()
    const keyBytes = entry.varint()
    entry.varint()
    entry.bytes(keyBytes)
    return entry.varint()
  }

  test('a table that is missing is found by verify', async () => {
    await putNoise(100)
    await intoTables()
    const table = (await readdir(dir)).find((name) => name.endsWith('.ldb')) as string
    await rm(join(dir, table))
    expect((await verifyState(dir)).damage.join()).toContain('it is missing')
  })
})

describe('a failed write', () => {
  /** The next `count` batches fail with `message`; `written`: only after they took effect. */
  function failWrites(count: number, message: string, written = false): void {
    let left = count
    const original = ClassicLevel.prototype.batch as (this: unknown) => { write(options: object): Promise<void> }
    vi.spyOn(ClassicLevel.prototype as { batch: typeof original }, 'batch').mockImplementation(function (
      this: unknown,
    ) {
      const batch = original.call(this)
      const write = batch.write.bind(batch)
      batch.write = async (options) => {
        if (left-- <= 0) return write(options)
        if (written) await write(options)
        throw new Error(message)
      }
      return batch
    })
  }

  test('reopens the database and the checkpoint is written again', async () => {
    group.put('below', bytes('below'))
    await group.checkpoint(meta(1))
    group.put('a', bytes('a'))
    failWrites(2, 'IO error: something')
    const scan = group.scan(ALL, 10)
    await group.checkpoint(meta(2))
    expect(pairs(await scan)).toEqual(['a=a', 'below=below'])
    expect(errors.length).toBe(2)
    expect(store.stats().reopened).toBe(2)
    expect(store.ready()).toBeUndefined()
    expect(pairs(await group.scan(ALL, 10))).toEqual(['a=a', 'below=below'])
    await store.close()
    store = await open(dir)
    expect((await store.group(7)).meta).toEqual(meta(2))
    expect((await store.group(7)).damage).toBeUndefined()
  })

  test('that lasts is reported, and the layers still hold the rows for the next checkpoint', async () => {
    group.put('a', bytes('a'))
    failWrites(4, 'IO error: 000012.log: No space left on device')
    await expect(group.checkpoint(meta(1))).rejects.toMatchObject({ reason: 'DISK_FULL' })
    expect(group.meta).toBeUndefined()
    expect(text(group.get('a'))).toBe('a')
    group.put('b', bytes('b'))
    await group.checkpoint(meta(2))
    await store.close()
    store = await open(dir)
    expect(pairs(await (await store.group(7)).scan(ALL, 10))).toEqual(['a=a', 'b=b'])
  })

  test('that took effect all the same is recognised, for a checkpoint and for a flip', async () => {
    group.put('a', bytes('a'))
    failWrites(4, 'IO error: fsync', true)
    await group.checkpoint(meta(1))
    expect(errors.length).toBe(1)
    expect(group.meta).toEqual(meta(1))
    vi.restoreAllMocks()
    const other = await store.group(8)
    const sink = await other.beginInstall()
    const snapshot = await copySnapshot(group, sink)
    failWrites(2, 'IO error: fsync', true)
    await expect(sink.commit(snapshot)).rejects.toMatchObject({ reason: 'INTERNAL' })
    vi.restoreAllMocks()
    const second = await other.beginInstall()
    await copySnapshot(group, second)
    await second.commit(snapshot)
    expect(pairs(await other.scan(ALL, 10))).toEqual(['a=a'])
    expect(other.meta).toEqual(meta(1))
  })

  test('of a checkpoint is not tried again over a snapshot that was committed meanwhile', async () => {
    const other = await store.group(8)
    other.put('snapshot', bytes('s'))
    await other.checkpoint(meta(20))
    group.put('old', bytes('old'))
    await group.checkpoint(meta(1))
    const sink = await group.beginInstall()
    const snapshot = await copySnapshot(other, sink)
    group.put('older', bytes('old'))
    // The sink's rows go first, then the checkpoint and, while that waits for its second try, the flip.
    failWrites(1, 'IO error: something')
    const checkpoint = group.checkpoint(meta(2)).catch(() => undefined)
    await until(() => errors.length === 1)
    await Promise.all([sink.commit(snapshot), checkpoint])
    expect(group.meta).toEqual(meta(20))
    await store.close()
    store = await open(dir)
    group = await store.group(7)
    expect(group.meta).toEqual(meta(20))
    expect(pairs(await group.scan(ALL, 10))).toEqual(['snapshot=s'])
  })

  test('of a checkpoint is not tried again when the group was removed meanwhile', async () => {
    group.put('old', bytes('old'))
    await group.checkpoint(meta(1))
    failWrites(1, 'IO error: something')
    const checkpoint = group.checkpoint(meta(2)).catch(() => undefined)
    await until(() => errors.length === 1)
    await store.remove(7)
    await checkpoint
    await store.close()
    store = await open(dir)
    expect((await store.group(7)).meta).toBeUndefined()
  })

  test('lets no read see a closed database unannounced: ready() says to wait', async () => {
    group.put('below', bytes('below'))
    await group.checkpoint(meta(1))
    group.put('a', bytes('a'))
    failWrites(1, 'IO error: something')
    let waits = 0
    const checkpoint = group.checkpoint(meta(2))
    let done = false
    const watch = checkpoint.then(() => {
      done = true
    })
    while (!done) {
      const ready = store.ready()
      if (ready === undefined) expect(text(group.get('below'))).toBe('below')
      else {
        waits++
        await ready
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    await watch
    expect(waits).toBeGreaterThan(0)
  })
})
