import { open as openFile, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ByteReader } from '../../../src/storage/state/files/byte-reader.ts'
import { inspectState } from '../../../src/storage/state/store.ts'
import type { GroupState, KeyRange, StateStore } from '../../../src/storage/state/types.ts'
import { ALL, bytes, copySnapshot, meta, until } from './fixture.ts'
import { LevelDbFolder, verified } from './leveldb-folder.ts'

let folder: LevelDbFolder
let store: StateStore
let group: GroupState

beforeEach(async () => {
  folder = await LevelDbFolder.create()
  store = await folder.open()
  group = await store.group(7)
})

afterEach(async () => {
  vi.restoreAllMocks()
  await store.close()
  await folder.remove()
})

/** Changes a byte of the file in which `where` finds something. */
function flip(at: string, suffix: string, where: (file: Buffer) => number): Promise<void> {
  return overwrite(at, suffix, (file) => {
    const offset = where(file)
    if (offset < 0) return
    file[offset] = (file[offset] ?? 0) ^ 0x20
  })
}

async function reopen(): Promise<void> {
  store = await folder.open()
  group = await store.group(7)
}

/** In place: LevelDB may have the file mapped. */
async function overwrite(at: string, suffix: string, change: (file: Buffer) => void): Promise<void> {
  const names = (await readdir(at)).filter((name) => name.endsWith(suffix)).sort()
  for (const name of names) {
    const path = join(at, name)
    const file = await readFile(path)
    change(file)
    const handle = await openFile(path, 'r+')
    await handle.write(file, 0, file.length, 0)
    await handle.close()
  }
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
  store = await folder.open()
  await store.close()
}

async function putNoise(rows: number): Promise<void> {
  for (let i = 0; i < rows; i++) group.put(`k${String(i).padStart(5, '0')}`, noise(i, 300))
  await group.checkpoint(meta(1))
}

/** 1,001 rows, the newest of them and the head in another table than the others. */
async function putRowsApartFromHead(): Promise<void> {
  await putNoise(1000)
  await intoTables()
  await reopen()
  group.put('k', bytes('the head lies in another table than most rows'))
  await group.checkpoint(meta(2))
  await intoTables()
}

describe('damage', () => {
  test('a batch that LevelDB drops at its start is noticed, and a snapshot heals the group', async () => {
    for (const applied of [1, 2, 3]) {
      // LevelDB leaves out the rest of a damaged block of its log, 32 KiB.
      group.put(`row ${applied}`, noise(applied, 40_000))
      await group.checkpoint(meta(applied))
    }
    const copy = await folder.crashCopy('damaged')
    await flip(copy, '.log', (file) => file.indexOf('row 2') + 1000)
    expect((await verified(copy)).damage.join()).toContain('.log: damaged at')
    const again = await folder.open(copy)
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
    expect(await verified(copy)).toEqual({ groups: 1, rows: 3, damage: [] })
  })

  test('a torn last batch is no damage: the checkpoint before it counts', async () => {
    for (const applied of [1, 2]) {
      group.put(`row ${applied}`, noise(applied, 2000))
      await group.checkpoint(meta(applied))
    }
    const copy = await folder.crashCopy('torn')
    await flip(copy, '.log', (file) => file.indexOf('row 2') + 1000)
    expect((await verified(copy)).damage).toEqual([])
    const again = await folder.open(copy)
    const state = await again.group(7)
    expect(state.meta).toEqual(meta(1))
    expect(state.damage).toBeUndefined()
    await again.close()
  })

  test('a flipped byte of a table is found by verify and at the next opening, until a snapshot heals the group', async () => {
    const other = await store.group(8)
    for (let i = 0; i < 100; i++) other.put(`o${i}`, noise(i, 300))
    await other.checkpoint(meta(3))
    await intoTables()
    await reopen()
    await putRowsApartFromHead()
    expect(await verified(folder.dir)).toEqual({ groups: 2, rows: 1101, damage: [] })
    await flip(folder.dir, '.ldb', (file) => file.indexOf(noise(500, 300).subarray(10, 40)))
    expect((await verified(folder.dir)).damage.join()).toMatch(/^\d+\.ldb: checksum of the block at \d+ is wrong$/)
    // The table goes; a second opening must still know.
    for (let opening = 0; opening < 2; opening++) {
      await reopen()
      expect(group.meta).toEqual(meta(2))
      expect(group.damage).toMatch(/checksum of the block/)
      expect(() => group.get('k00001')).toThrow('damaged')
      expect((await store.group(8)).damage).toBeUndefined()
      expect((await (await store.group(8)).scan(ALL, 200)).length).toBe(100)
      if (opening === 1) break
      await store.close()
      expect((await verified(folder.dir)).damage.join()).toContain('group 7 lost rows')
    }
    expect(folder.errors.length).toBe(1)
    const sink = await group.beginInstall()
    await sink.commit(await copySnapshot(await store.group(8), sink, 10_000))
    await store.close()
    expect((await verified(folder.dir)).damage).toEqual([])
    store = await folder.open()
    group = await store.group(7)
    expect(group.damage).toBeUndefined()
    expect((await group.scan(ALL, 200)).length).toBe(100)
    await until(() => store.stats().deadGenerations === 0)
    await store.close()
    expect(await verified(folder.dir)).toEqual({ groups: 2, rows: 200, damage: [] })
    expect(await readdir(folder.dir)).not.toContain('lost')
  })

  test('blocks of zeros, which LevelDB reads as empty, are found at the next opening', async () => {
    await putNoise(1000)
    await intoTables()
    await overwrite(folder.dir, '.ldb', (file) => file.fill(0, endOfRows(file) - 5000, endOfRows(file)))
    store = await folder.open()
    expect((await store.group(7)).damage).toMatch(/checksum of the block/)
  })

  test.each([
    ['a digit that changed', (text: string) => text.replace('"generation":1', '"generation":3')],
    ['what is no JSON', () => 'garbage'],
    ['nothing', () => ''],
  ])('%s in what is remembered of damage speaks for every group', async (_, change) => {
    await putRowsApartFromHead()
    await flip(folder.dir, '.ldb', (file) => file.indexOf(noise(500, 300).subarray(10, 40)))
    await reopen()
    expect(group.damage).toMatch(/checksum of the block/)
    await store.close()
    const path = join(folder.dir, 'DAMAGED.json')
    const before = await readFile(path, 'utf8')
    expect(change(before)).not.toBe(before)
    await writeFile(path, change(before))
    expect((await verified(folder.dir)).damage).toContain('DAMAGED.json is damaged')
    await reopen()
    expect(group.damage).toBeDefined()
    await store.close()
    expect((await verified(folder.dir)).damage.join()).toContain('group 7 lost rows')
    await reopen()
    expect(group.damage).toBeDefined()
  })

  test('a group whose head was lost is not taken for a new one', async () => {
    await putNoise(1000)
    await intoTables()
    await overwrite(folder.dir, '.ldb', (file) => file.fill(0, 0, 4096))
    for (let opening = 0; opening < 2; opening++) {
      store = await folder.open()
      const state = await store.group(7)
      expect(state.meta).toBeUndefined()
      expect(state.damage).toBeDefined()
      await store.close()
    }
  })

  test('a group whose head was lost begins anew once it is removed', async () => {
    await putNoise(1000)
    await intoTables()
    await overwrite(folder.dir, '.ldb', (file) => file.fill(0, 0, 4096))
    store = await folder.open()
    expect((await store.group(7)).damage).toBeDefined()
    await store.remove(7)
    const fresh = await store.group(7)
    expect([fresh.damage, fresh.meta]).toEqual([undefined, undefined])
    expect(await fresh.scan(ALL, 10)).toEqual([])
    fresh.put('k', bytes('anew'))
    await fresh.checkpoint(meta(1))
    await store.close()
    store = await folder.open()
    expect((await (await store.group(7)).scan(ALL, 10)).length).toBe(1)
    await store.close()
    expect((await verified(folder.dir)).damage).toEqual([])
  })

  test('a row that changes while the store is open is never handed out', async () => {
    await putNoise(1000)
    await intoTables()
    store = await folder.open()
    group = await store.group(7)
    await flip(folder.dir, '.ldb', (file) => file.indexOf(noise(500, 300).subarray(10, 40)))
    expect((await group.scan({ gte: 'k00900', lt: 'l' }, 10)).length).toBe(10)
    expect(() => group.get('k00500')).toThrow('Cannot read state')
    expect(group.damage).toContain(Buffer.from('k00500').toString('hex'))
    await expect(group.scan(ALL, 2000)).rejects.toMatchObject({ reason: 'INTERNAL' })
  })

  test('a row that changes while the store is open is told in its place when rows are read by their keys', async () => {
    await putNoise(1000)
    await intoTables()
    store = await folder.open()
    group = await store.group(7)
    await flip(folder.dir, '.ldb', (file) => file.indexOf(noise(500, 300).subarray(10, 40)))
    const keys = ['k00100', 'k00500', 'k00900']
    expect((await group.getMany(keys)).map((row) => row instanceof Error)).toEqual([false, true, false])
    expect(group.damage).toContain(Buffer.from('k00500').toString('hex'))
    // From now on nothing on the disk is believed, but what the layers have is there.
    group.put('k00900', bytes('new'))
    expect((await group.getMany(keys)).map((row) => row instanceof Error)).toEqual([true, true, false])
    await expect(group.count(ALL, 10)).rejects.toMatchObject({ reason: 'INTERNAL' })
  })

  test('a block that LevelDB passes over makes a scan fail, even one that stops early', async () => {
    await putCompressible(4000)
    const damage = (file: Buffer) => file.fill(0, file.length >> 1, (file.length >> 1) + 1500)
    await expectScan(damage, { gte: 'k03990', lt: 'l' }, 5, 5)
    await expectScan(damage, { gte: 'k00000', lt: 'k00010' }, 20, 10)
    await expectScan(damage, ALL, 5000, undefined)
    await expectScan(damage, ALL, 2500, undefined)
  })

  test('a block that cannot be read does not spoil scans that stop before it', async () => {
    await putCompressible(4000)
    // Compressed bytes of the last block, not its trailer, which says that they are compressed.
    const damage = (file: Buffer) => file.fill(0, endOfRows(file) - 105, endOfRows(file) - 5)
    await expectScan(damage, ALL, 5, 5)
    await expectScan(damage, ALL, 2500, 2500)
    await expectScan(damage, ALL, 5, undefined, true)
  })

  async function putCompressible(rows: number): Promise<void> {
    const value = 'compressible '.repeat(30)
    for (let i = 0; i < rows; i++) group.put(`k${String(i).padStart(5, '0')}`, bytes(value))
    await group.checkpoint(meta(1))
    await intoTables()
  }

  /** Scans a copy that is damaged while it is open. `count` undefined: the scan is refused. */
  async function expectScan(
    damage: (file: Buffer) => void,
    range: KeyRange,
    limit: number,
    count: number | undefined,
    reverse = false,
  ): Promise<void> {
    const copy = await folder.crashCopy(`copy ${count} ${limit} ${range.gte}`)
    store = await folder.open(copy)
    group = await store.group(7)
    await overwrite(copy, '.ldb', damage)
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

  test('a manifest that lost its end is found, though what is left of it can be read', async () => {
    await putNoise(100)
    await intoTables()
    const manifest = (await readdir(folder.dir)).find((name) => name.startsWith('MANIFEST')) as string
    const file = await readFile(join(folder.dir, manifest))
    // Its first record is the snapshot of what there was, the second the table and log of this opening.
    await writeFile(join(folder.dir, manifest), file.subarray(0, 7 + file.readUInt16LE(4)))
    const [damage] = (await inspectState(folder.dir)).damage
    expect(damage).toMatchObject({ file: manifest, offset: 7 + file.readUInt16LE(4) })
    await reopen()
    expect(group.damage).toContain(manifest)
  })

  test('a table that is missing is found by verify', async () => {
    await putNoise(100)
    await intoTables()
    const table = (await readdir(folder.dir)).find((name) => name.endsWith('.ldb')) as string
    await rm(join(folder.dir, table))
    expect((await verified(folder.dir)).damage.join()).toContain('it is missing')
  })
})
