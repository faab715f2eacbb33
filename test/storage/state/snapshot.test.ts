import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { encodeChunk } from '../../../src/storage/state/chunk.ts'
import type { GroupState, StateStore } from '../../../src/storage/state/types.ts'
import { ALL, bytes, copySnapshot, HOMES, type Home, meta, pairs, text, until } from './fixture.ts'

describe.each(Object.keys(HOMES))('snapshots of a state store on %s', (kind) => {
  let home: Home
  let store: StateStore
  let group: GroupState

  beforeEach(async () => {
    home = await (HOMES[kind] as () => Promise<Home>)()
    store = await home.open()
    group = await store.group(7)
  })

  afterEach(async () => {
    await store.close()
    await home.remove()
  })

  /** What was not checkpointed is lost, as in a crash. */
  async function restart(): Promise<void> {
    await store.close()
    store = await home.open()
    group = await store.group(7)
  }

  test('a snapshot is the last completed checkpoint and becomes the state of another group', async () => {
    for (let i = 0; i < 50; i++) group.put(`k${i}`, bytes(String(i)))
    await group.checkpoint(meta(4))
    group.put('later', bytes('no'))
    const other = await store.group(9)
    other.put('old', bytes('old'))
    await other.checkpoint(meta(2))
    other.put('layer', bytes('layer'))
    const sink = await other.beginInstall()
    expect(await copySnapshot(group, sink)).toEqual(meta(4))
    expect(pairs(await other.scan(ALL, 100))).toEqual(['layer=layer', 'old=old'])
    await sink.commit(meta(4))
    const rows = pairs(await group.scan({ gte: '', lt: 'later' }, 100))
    expect(pairs(await other.scan(ALL, 100))).toEqual(rows)
    expect(other.meta).toEqual(meta(4))
    other.put('k0', bytes('new'))
    await other.checkpoint(meta(5))
    await until(() => store.stats().deadGenerations === 0)
    await restart()
    const again = await store.group(9)
    expect(again.meta).toEqual(meta(5))
    expect(again.damage).toBeUndefined()
    expect(pairs(await again.scan(ALL, 100))).toEqual(['k0=new', ...rows.slice(1)])
  })

  test('a snapshot stays what it was while checkpoints go on', async () => {
    for (let i = 0; i < 2000; i++) group.put(`k${String(i).padStart(5, '0')}`, bytes('old'))
    await group.checkpoint(meta(1))
    const source = await group.openSnapshot()
    for (let i = 0; i < 2000; i++) group.put(`k${String(i).padStart(5, '0')}`, bytes('new'))
    await group.checkpoint(meta(2))
    const sink = await (await store.group(9)).beginInstall()
    for (let chunk = await source.next(1000); chunk !== undefined; chunk = await source.next(1000)) {
      expect(chunk.byteLength).toBeLessThanOrEqual(1000)
      await sink.write(chunk)
    }
    await source.close()
    await sink.commit(source.meta)
    const rows = await (await store.group(9)).scan(ALL, 5000)
    expect(rows.length).toBe(2000)
    expect(rows.every((row) => text(row.value) === 'old')).toBe(true)
  })

  test('a snapshot of a state without rows can be installed', async () => {
    await group.checkpoint(meta(3))
    const other = await store.group(9)
    const sink = await other.beginInstall()
    await sink.commit(await copySnapshot(group, sink))
    await restart()
    expect((await store.group(9)).meta).toEqual(meta(3))
    expect((await store.group(9)).damage).toBeUndefined()
  })

  test('a chunk that is damaged, repeated, left out or of another snapshot is refused', async () => {
    for (let i = 0; i < 20; i++) group.put(`k${i}`, bytes(String(i)))
    await group.checkpoint(meta(1))
    const source = await group.openSnapshot()
    const chunks: Uint8Array[] = []
    for (let chunk = await source.next(64); chunk !== undefined; chunk = await source.next(64)) chunks.push(chunk)
    await source.close()
    const [first, second, third] = chunks as [Uint8Array, Uint8Array, Uint8Array]
    const sink = await (await store.group(9)).beginInstall()
    const broken = Uint8Array.from(first)
    broken[30] = (broken[30] ?? 0) ^ 1
    const refused = { reason: 'INVALID', field: 'chunk' }
    await expect(sink.write(broken)).rejects.toMatchObject(refused)
    await expect(sink.write(first.subarray(0, 10))).rejects.toMatchObject(refused)
    await expect(sink.write(second)).rejects.toMatchObject(refused)
    await sink.write(first)
    await expect(sink.write(first)).rejects.toMatchObject(refused)
    await expect(sink.write(third)).rejects.toMatchObject(refused)
    group.put('k0', bytes('other'))
    await group.checkpoint(meta(2))
    const later = await group.openSnapshot()
    await later.next(64)
    await expect(sink.write((await later.next(64)) ?? first)).rejects.toMatchObject(refused)
    await later.close()
    await expect(sink.commit(meta(1))).rejects.toMatchObject(refused)
    for (const chunk of chunks.slice(1)) await sink.write(chunk)
    await sink.commit(meta(1))
    expect((await (await store.group(9)).scan(ALL, 100)).length).toBe(20)
  })

  test('rows out of order, or that are not taken, are refused with their chunk; what is staged is read before it counts', async () => {
    const row = (key: string) => ({ key, value: bytes(key) })
    const begin = async (...keys: readonly string[]) => {
      const sink = await group.beginInstall({ takes: (key, value) => key !== 'no' && text(value) === key })
      return { sink, done: sink.write(encodeChunk({ number: 0, before: 0, last: true, rows: keys.map(row) })) }
    }
    for (const keys of [
      ['b', 'a'],
      ['a', 'a'],
      ['a', 'no'],
    ]) {
      await expect((await begin(...keys)).done).rejects.toMatchObject({ reason: 'INVALID', field: 'rows' })
    }
    const { sink, done } = await begin('a', 'b')
    await done
    expect(pairs(await (await sink.staged()).scan(ALL, 10))).toEqual(['a=a', 'b=b'])
    expect(pairs(await group.scan(ALL, 10))).toEqual([])
    await sink.commit(meta(1))
    expect(pairs(await group.scan(ALL, 10))).toEqual(['a=a', 'b=b'])
  })

  test('a crash between install and flip leaves the old generation, and the new one is cleared', async () => {
    group.put('old', bytes('old'))
    await group.checkpoint(meta(1))
    const other = await store.group(9)
    for (let i = 0; i < 200; i++) other.put(`k${i}`, new Uint8Array(50_000))
    await other.checkpoint(meta(8))
    const sink = await group.beginInstall()
    await copySnapshot(other, sink, 500_000)
    await restart()
    expect(store.stats().deadGenerations).toBe(1)
    expect(group.meta).toEqual(meta(1))
    expect(pairs(await group.scan(ALL, 1000))).toEqual(['old=old'])
    await until(() => store.stats().deadGenerations === 0)
    await restart()
    expect(store.stats().deadGenerations).toBe(0)
    expect(pairs(await group.scan(ALL, 1000))).toEqual(['old=old'])
  })

  test('an install that is aborted or begun anew leaves nothing', async () => {
    group.put('old', bytes('old'))
    await group.checkpoint(meta(1))
    const first = await group.beginInstall()
    await copySnapshot(group, first)
    const second = await group.beginInstall()
    await expect(first.commit(meta(1))).rejects.toMatchObject({ reason: 'INTERNAL' })
    await copySnapshot(group, second)
    await second.abort()
    await second.abort()
    await until(() => store.stats().deadGenerations === 0)
    expect(pairs(await group.scan(ALL, 10))).toEqual(['old=old'])
  })

  test('an install that is aborted just before its commit is there whole, or not at all', async () => {
    const other = await store.group(9)
    other.put('snapshot', bytes('s'))
    await other.checkpoint(meta(20))
    const sink = await group.beginInstall()
    const snapshot = await copySnapshot(other, sink)
    const aborted = sink.abort()
    const committed = sink.commit(snapshot).then(
      () => true,
      () => false,
    )
    await aborted
    const isThere = await committed
    await until(() => store.stats().deadGenerations === 0)
    expect(group.meta).toEqual(isThere ? snapshot : undefined)
    expect(pairs(await group.scan(ALL, 10))).toEqual(isThere ? ['snapshot=s'] : [])
  })

  test('a checkpoint in flight when a snapshot is committed changes nothing of it', async () => {
    const other = await store.group(9)
    other.put('snapshot', bytes('s'))
    await other.checkpoint(meta(20))
    group.put('old', bytes('old'))
    await group.checkpoint(meta(1))
    const sink = await group.beginInstall()
    const snapshot = await copySnapshot(other, sink)
    group.put('older', bytes('old'))
    const checkpoint = group.checkpoint(meta(2))
    await Promise.all([sink.commit(snapshot), checkpoint.catch(() => undefined)])
    await restart()
    expect(group.meta).toEqual(meta(20))
    expect(pairs(await group.scan(ALL, 10))).toEqual(['snapshot=s'])
  })
})
