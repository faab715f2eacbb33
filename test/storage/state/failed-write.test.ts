import { ClassicLevel } from 'classic-level'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { GroupState, StateStore } from '../../../src/storage/state/types.ts'
import { ALL, bytes, copySnapshot, meta, pairs, text, until } from './fixture.ts'
import { LevelDbFolder } from './leveldb-folder.ts'

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
    expect(folder.errors.length).toBe(2)
    expect(store.stats().reopened).toBe(2)
    expect(store.ready()).toBeUndefined()
    expect(pairs(await group.scan(ALL, 10))).toEqual(['a=a', 'below=below'])
    await store.close()
    store = await folder.open()
    expect((await store.group(7)).meta).toEqual(meta(2))
    expect((await store.group(7)).damage).toBeUndefined()
  })

  test('that lasts is reported, and the layers still hold the rows for the next checkpoint', async () => {
    group.put('a', bytes('a'))
    failWrites(4, 'IO error: 000012.log: No space left on device')
    const more = {
      *write(to: { put(key: string, value: Uint8Array): void }) {
        to.put('memory', bytes('m'))
        yield
      },
    }
    await expect(group.checkpoint(meta(1), () => more)).rejects.toMatchObject({ reason: 'DISK_FULL' })
    expect(group.meta).toBeUndefined()
    expect(text(group.get('a'))).toBe('a')
    group.put('b', bytes('b'))
    await group.checkpoint(meta(2))
    await store.close()
    store = await folder.open()
    expect(pairs(await (await store.group(7)).scan(ALL, 10))).toEqual(['a=a', 'b=b', 'memory=m'])
  })

  test('that took effect all the same is recognised, for a checkpoint and for a flip', async () => {
    group.put('a', bytes('a'))
    failWrites(4, 'IO error: fsync', true)
    await group.checkpoint(meta(1))
    expect(folder.errors.length).toBe(1)
    expect(group.meta).toEqual(meta(1))
    vi.restoreAllMocks()
    const empty = await store.group(9)
    await empty.checkpoint(meta(3))
    const flipped = await store.group(10)
    const only = await flipped.beginInstall()
    await copySnapshot(empty, only)
    failWrites(1, 'IO error: fsync', true)
    await only.commit(meta(3))
    expect(flipped.meta).toEqual(meta(3))
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
    await other.checkpoint(meta(20))
    group.put('old', bytes('old'))
    await group.checkpoint(meta(1))
    const sink = await group.beginInstall()
    const snapshot = await copySnapshot(other, sink)
    group.put('older', bytes('old'))
    // A snapshot without rows: its flip is the next to write while the checkpoint waits for its second try.
    failWrites(1, 'IO error: something')
    const checkpoint = group.checkpoint(meta(2)).catch(() => undefined)
    await until(() => folder.errors.length === 1)
    await Promise.all([sink.commit(snapshot), checkpoint])
    expect(group.meta).toEqual(meta(20))
    await store.close()
    store = await folder.open()
    group = await store.group(7)
    expect(group.meta).toEqual(meta(20))
    expect(await group.scan(ALL, 10)).toEqual([])
  })

  test('of a checkpoint is not tried again when the group was removed meanwhile', async () => {
    group.put('old', bytes('old'))
    await group.checkpoint(meta(1))
    failWrites(1, 'IO error: something')
    const checkpoint = group.checkpoint(meta(2)).catch(() => undefined)
    await until(() => folder.errors.length === 1)
    await store.remove(7)
    await checkpoint
    await store.close()
    store = await folder.open()
    expect((await store.group(7)).meta).toBeUndefined()
  })

  test('makes reads wait until the database is open again, and groups that are opened meanwhile', async () => {
    group.put('below', bytes('below'))
    await group.checkpoint(meta(1))
    group.put('a', bytes('a'))
    failWrites(1, 'IO error: something')
    const checkpoint = group.checkpoint(meta(2))
    await until(() => store.ready() !== undefined)
    expect(() => group.get('below')).toThrow('Cannot use the state database')
    const [rows, count, other] = await Promise.all([group.getMany(['below']), group.count(ALL, 10), store.group(8)])
    expect([rows.map((row) => (row instanceof Error ? 'damage' : text(row))), count]).toEqual([['below'], 2])
    expect(other.damage).toBeUndefined()
    await checkpoint
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

test('none is left to the page cache: every batch is written with sync', async () => {
  const options: object[] = []
  const original = ClassicLevel.prototype.batch as (this: unknown) => { write(options: object): Promise<void> }
  vi.spyOn(ClassicLevel.prototype as { batch: typeof original }, 'batch').mockImplementation(function (this: unknown) {
    const batch = original.call(this)
    const write = batch.write.bind(batch)
    batch.write = (given) => {
      options.push(given)
      return write(given)
    }
    return batch
  })
  group.put('a', bytes('a'))
  await group.checkpoint(meta(1))
  const other = await store.group(9)
  const sink = await other.beginInstall()
  await copySnapshot(group, sink)
  await sink.commit(meta(1))
  expect(options).toEqual([{ sync: true }, { sync: true }, { sync: true }])
})
