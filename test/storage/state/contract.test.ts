import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { GroupState, MoreRows, Row, StateStore } from '../../../src/storage/state/types.ts'
import { ALL, bytes, HOMES, type Home, meta, pairs, text, until } from './fixture.ts'

describe.each(Object.keys(HOMES))('a state store on %s', (kind) => {
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

  test('a new group is empty and has no meta', async () => {
    expect(group.meta).toBeUndefined()
    expect(group.damage).toBeUndefined()
    expect(group.get('a')).toBeUndefined()
    expect(await group.scan(ALL, 10)).toEqual([])
    await expect(group.openSnapshot()).rejects.toMatchObject({ reason: 'INTERNAL' })
  })

  test('what is put is read back, before and after its checkpoint, and is gone once deleted', async () => {
    group.put('a', bytes('1'))
    expect(text(group.get('a'))).toBe('1')
    await group.checkpoint(meta(5))
    expect(text(group.get('a'))).toBe('1')
    expect(group.meta).toEqual(meta(5))
    group.delete('a')
    expect(group.get('a')).toBeUndefined()
    await group.checkpoint(meta(6))
    expect(group.get('a')).toBeUndefined()
  })

  test('a restart finds the last checkpoint, meta included, and nothing that came after it', async () => {
    group.put('a', bytes('1'))
    group.put('\x00\xff', bytes('2'))
    await group.checkpoint(meta(5))
    group.put('a', bytes('lost'))
    group.put('b', bytes('lost'))
    await restart()
    expect(group.meta).toEqual(meta(5))
    expect(group.damage).toBeUndefined()
    expect(pairs(await group.scan(ALL, 10))).toEqual(['\x00\xff=2', 'a=1'])
    expect(group.get('b')).toBeUndefined()
  })

  test('a checkpoint of nothing still moves the meta', async () => {
    await group.checkpoint(meta(1))
    await group.checkpoint(meta(9))
    await restart()
    expect(group.meta).toEqual(meta(9))
  })

  test('what is put while a checkpoint is in flight is kept, and is not part of it', async () => {
    group.put('a', bytes('old'))
    group.put('b', bytes('old'))
    const checkpoint = group.checkpoint(meta(1))
    group.put('a', bytes('new'))
    group.delete('b')
    group.put('c', bytes('new'))
    await checkpoint
    expect(pairs(await group.scan(ALL, 10))).toEqual(['a=new', 'c=new'])
    await restart()
    expect(pairs(await group.scan(ALL, 10))).toEqual(['a=old', 'b=old'])
  })

  test('a fresh row that is deleted in its layer leaves nothing behind', async () => {
    const before = group.bytes()
    for (let i = 0; i < 1000; i++) group.put(`k${i}`, bytes('x'.repeat(50)), true)
    for (let i = 0; i < 1000; i++) group.delete(`k${i}`)
    // At most the slab that is open.
    expect(group.bytes() - before).toBeLessThanOrEqual(64 * 1024)
  })

  test('a row put as fresh over a tombstone of its layer does not bring back the row below when it is deleted', async () => {
    group.put('a', bytes('below'), true)
    await group.checkpoint(meta(1))
    group.delete('a')
    group.put('a', bytes('again'), true)
    group.delete('a')
    expect(group.get('a')).toBeUndefined()
    expect(await group.scan(ALL, 10)).toEqual([])
  })

  test('a scan merges layers and database in both directions and stops at its limit and bytes', async () => {
    for (const key of ['a', 'c', 'e', 'g']) group.put(key, bytes('db'))
    await group.checkpoint(meta(1))
    for (const key of ['b', 'c', 'f']) group.put(key, bytes('top'))
    group.delete('e')
    const all = ['a=db', 'b=top', 'c=top', 'f=top', 'g=db']
    expect(pairs(await group.scan(ALL, 10))).toEqual(all)
    expect(pairs(await group.scan(ALL, 10, { reverse: true }))).toEqual([...all].reverse())
    expect(pairs(await group.scan(ALL, 3))).toEqual(all.slice(0, 3))
    expect(pairs(await group.scan(ALL, 2, { reverse: true }))).toEqual(['g=db', 'f=top'])
    expect(pairs(await group.scan({ gte: 'b', lt: 'f' }, 10))).toEqual(['b=top', 'c=top'])
    expect(pairs(await group.scan({ gte: 'b', lt: 'f' }, 10, { reverse: true }))).toEqual(['c=top', 'b=top'])
    expect(pairs(await group.scan(ALL, 10, { maxBytes: 7 }))).toEqual(all.slice(0, 2))
    expect(pairs(await group.scan(ALL, 10, { maxBytes: 1 }))).toEqual(all.slice(0, 1))
    expect(await group.scan({ gte: 'x', lt: 'b' }, 10)).toEqual([])
  })

  test('rows are read by their keys from layers and database, in the order asked for, up to a number of bytes', async () => {
    for (const key of ['a', 'b', 'c']) group.put(key, bytes(`${key}-below`))
    await group.checkpoint(meta(1))
    group.put('b', bytes('b-above'))
    group.delete('c')
    const read = async (...of: Parameters<GroupState['getMany']>) =>
      (await group.getMany(...of)).map((row) => (row instanceof Error ? 'damage' : text(row)))
    expect(await read(['d', 'c', 'b', 'a'])).toEqual([undefined, undefined, 'b-above', 'a-below'])
    expect(await read(['a', 'b', 'd'], { maxBytes: 7 })).toEqual(['a-below'])
    expect(await read(['a', 'b', 'd'], { maxBytes: 8 })).toEqual(['a-below', 'b-above'])
    expect(await read([])).toEqual([])
    expect(group.damage).toBeUndefined()
  })

  test('rows read by their keys are those of the call, whatever is written and checkpointed meanwhile', async () => {
    const keys = Array.from({ length: 100 }, (_, i) => `k${i}`)
    for (const key of keys) group.put(key, bytes('old'))
    await group.checkpoint(meta(1))
    for (const key of keys.slice(50)) group.put(key, bytes('new'))
    const read = group.getMany(keys)
    for (const key of keys) group.delete(key)
    await group.checkpoint(meta(2))
    const rows = (await read).map((row) => (row instanceof Error ? 'damage' : text(row)))
    expect(rows).toEqual(keys.map((_, i) => (i < 50 ? 'old' : 'new')))
  })

  test('a row that must be there and is not is damage', async () => {
    group.put('a', bytes('a'))
    const rows = await group.getMany(['a', 'b'], { expected: true })
    expect(rows.map((row) => row instanceof Error)).toEqual([false, true])
    expect(group.damage).toContain(Buffer.from('b').toString('hex'))
  })

  test('rows are counted over layers and database, up to a limit', async () => {
    for (let i = 0; i < 1000; i++) group.put(`k${String(i).padStart(4, '0')}`, bytes('x'))
    await group.checkpoint(meta(1))
    for (let i = 0; i < 1000; i += 2) group.delete(`k${String(i).padStart(4, '0')}`)
    for (let i = 0; i < 10; i++) group.put(`l${i}`, bytes('y'))
    expect(await group.count(ALL, 10_000)).toBe(510)
    expect(await group.count({ gte: 'k0100', lt: 'k0200' }, 10_000)).toBe(50)
    expect(await group.count(ALL, 100)).toBe(100)
    expect(await group.count({ gte: 'x', lt: 'b' }, 100)).toBe(0)
  })

  test('a scan sees what was there when it was called, whatever is written and checkpointed meanwhile', async () => {
    for (let i = 0; i < 3000; i++) group.put(`k${String(i).padStart(5, '0')}`, bytes(String(i)))
    await group.checkpoint(meta(1))
    for (let i = 0; i < 3000; i += 3) group.put(`k${String(i).padStart(5, '0')}`, bytes(`n${i}`))
    const checkpoint = group.checkpoint(meta(2))
    const before = group.scan(ALL, 10_000)
    for (let i = 1; i < 3000; i += 3) group.delete(`k${String(i).padStart(5, '0')}`)
    await checkpoint
    const second = group.checkpoint(meta(3))
    const after = group.scan(ALL, 10_000, { reverse: true })
    await second
    const expected = Array.from(
      { length: 3000 },
      (_, i) => `k${String(i).padStart(5, '0')}=${i % 3 === 0 ? 'n' : ''}${i}`,
    )
    expect(pairs(await before)).toEqual(expected)
    expect(pairs(await after).reverse()).toEqual(expected.filter((_, i) => i % 3 !== 1))
  })

  test('a long scan of the top layer is not torn by what is put while it runs', async () => {
    for (let i = 0; i < 10_000; i++) group.put(`k${String(i).padStart(5, '0')}`, bytes('a'))
    const scan = group.scan(ALL, 20_000)
    for (let i = 0; i < 10_000; i++) group.put(`k${String(i).padStart(5, '0')}`, bytes('b'))
    group.put('z', bytes('b'))
    const rows = await scan
    expect(rows.length).toBe(10_000)
    expect(rows.every((row) => text(row.value) === 'a')).toBe(true)
    await group.checkpoint(meta(1))
    const now = await group.scan(ALL, 20_000)
    expect(now.length).toBe(10_001)
    expect(now.every((row) => text(row.value) === 'b')).toBe(true)
  })

  test('a small slice of a big buffer is copied, so that the buffer may change and go', async () => {
    const frame = new Uint8Array(1024 * 1024)
    frame.set(bytes('value'), 1000)
    group.put('a', frame.subarray(1000, 1005))
    frame.fill(0)
    expect(text(group.get('a'))).toBe('value')
    expect(group.get('a')?.buffer.byteLength).toBeLessThanOrEqual(64 * 1024)
  })

  test('bytes count the backing buffers and every row, and go when the rows are below', async () => {
    const empty = group.bytes()
    group.put('big', new Uint8Array(100_000))
    expect(group.bytes() - empty).toBeGreaterThan(100_000)
    for (let i = 0; i < 100; i++) group.delete(`k${i}`)
    expect(group.bytes() - empty).toBeGreaterThan(110_000)
    await group.checkpoint(meta(1))
    expect(group.bytes()).toBe(empty)
    expect(store.stats().checkpoints).toBe(1)
  })

  test('rows made from memory go with the batch, and what is put while they are made does not', async () => {
    group.put('a', bytes('1'))
    const written = group.checkpoint(meta(1), () => ({
      *write(to) {
        to.put('memory', bytes('1'))
        yield
        group.put('a', bytes('2'))
        group.put('b', bytes('2'))
        expect(group.get('memory')).toBeUndefined()
        yield
        to.delete('gone')
      },
    }))
    await written
    expect(pairs(await group.scan(ALL, 10))).toEqual(['a=2', 'b=2', 'memory=1'])
    await restart()
    expect(pairs(await group.scan(ALL, 10))).toEqual(['a=1', 'memory=1'])
  })

  test('a scan that begins while they are made sees the group as it was', async () => {
    group.put('a', bytes('1'))
    let scanned: Promise<readonly Row[]> | undefined
    await group.checkpoint(meta(1), () => ({
      *write(to) {
        to.put('memory', bytes('1'))
        for (let i = 0; i < 5000; i++) group.put(`b${i}`, bytes('2'))
        yield
        scanned = group.scan(ALL, 10_000)
        yield
        for (let i = 0; i < 5000; i++) group.delete(`b${i}`)
      },
    }))
    expect(await scanned).toHaveLength(5001)
    expect(pairs(await group.scan(ALL, 10))).toEqual(['a=1', 'memory=1'])
    await group.checkpoint(meta(2))
    await restart()
    expect(pairs(await group.scan(ALL, 10))).toEqual(['a=1', 'memory=1'])
  })

  test('a checkpoint that is refused freezes nothing', async () => {
    await store.remove(7)
    const freeze = (): MoreRows => {
      throw new Error('frozen')
    }
    await expect(group.checkpoint(meta(2), freeze)).rejects.toMatchObject({ reason: 'INTERNAL' })
  })

  test('groups do not see each other', async () => {
    const other = await store.group(8)
    group.put('a', bytes('7'))
    other.put('a', bytes('8'))
    await Promise.all([group.checkpoint(meta(1)), other.checkpoint(meta(2))])
    await restart()
    expect(pairs(await group.scan(ALL, 10))).toEqual(['a=7'])
    expect(pairs(await (await store.group(8)).scan(ALL, 10))).toEqual(['a=8'])
  })

  test('a removed group is gone for good, also after a restart, and may come back empty', async () => {
    for (let i = 0; i < 100; i++) group.put(`k${i}`, bytes('x'))
    await group.checkpoint(meta(1))
    group.put('more', bytes('x'))
    await store.remove(7)
    await expect(group.checkpoint(meta(2))).rejects.toMatchObject({ reason: 'INTERNAL' })
    await expect(group.beginInstall()).rejects.toMatchObject({ reason: 'INTERNAL' })
    expect(group.get('k1')).toBeUndefined()
    await restart()
    expect(group.meta).toBeUndefined()
    expect(await group.scan(ALL, 10)).toEqual([])
    group.put('new', bytes('new'))
    await group.checkpoint(meta(1))
    await until(() => store.stats().deadGenerations === 0)
    await restart()
    expect(pairs(await group.scan(ALL, 10))).toEqual(['new=new'])
  })

  test('removing a group waits for its checkpoint in flight, which does not bring it back', async () => {
    group.put('a', bytes('a'))
    const checkpoint = group.checkpoint(meta(1)).catch(() => undefined)
    await store.remove(7)
    await checkpoint
    await restart()
    expect(group.meta).toBeUndefined()
    expect(await group.scan(ALL, 10)).toEqual([])
  })

  test('two checkpoints of one group at a time are a bug', async () => {
    const first = group.checkpoint(meta(1))
    expect(() => group.checkpoint(meta(2))).toThrow('one checkpoint')
    await first
  })
})
