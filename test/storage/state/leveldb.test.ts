import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SLICE_MS } from '../../../src/base/limits.ts'
import { Slice } from '../../../src/base/slice.ts'
import { inspectState, isLocked } from '../../../src/storage/state/store.ts'
import type { GroupState, StateStore } from '../../../src/storage/state/types.ts'
import { ALL, bytes, meta, text } from './fixture.ts'
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

describe('a folder', () => {
  test('is opened once; the second opening fails recognisably', async () => {
    const second = folder.open()
    await expect(second).rejects.toMatchObject({ reason: 'INTERNAL' })
    await second.catch((error) => expect(isLocked(error)).toBe(true))
    expect(isLocked(new Error('other'))).toBe(false)
  })

  test('that is in use is not looked at', async () => {
    const error = await inspectState(folder.dir).catch((reason: unknown) => reason)
    expect(isLocked(error)).toBe(true)
    await store.close()
    expect((await inspectState(folder.dir)).damage).toEqual([])
    store = await folder.open()
  })

  test('checks its files in slices when it is opened', async () => {
    for (let at = 1; at <= 60; at++) {
      group.put('k', bytes(String(at).repeat(1000)))
      await group.checkpoint(meta(at))
    }
    await store.close()
    // Each look at the clock takes a millisecond of a slice here: the log has a record for each checkpoint.
    const rest = vi.spyOn(Slice.prototype, 'rest')
    store = await folder.open()
    expect(rest.mock.calls.length).toBeGreaterThanOrEqual(60 / (SLICE_MS + 1))
    group = await store.group(7)
    expect(group.meta?.applied).toBe(60)
  })

  test('that never held a state is verified as empty', async () => {
    expect(await verified(join(folder.root, 'nowhere'))).toEqual({ groups: 0, rows: 0, damage: [] })
  })
})

describe('a snapshot', () => {
  test.each(['cannot be read', 'is damaged'])('whose head %s leaves nothing open, and says why', async (how) => {
    group.put('k', bytes('1'))
    await group.checkpoint(meta(1))
    const { prototype } = ClassicLevel
    const closed: ReturnType<typeof vi.spyOn>[] = []
    const snapshot = prototype.snapshot
    vi.spyOn(prototype, 'snapshot').mockImplementation(function (this: ClassicLevel, ...options) {
      const made = snapshot.apply(this, options)
      closed.push(vi.spyOn(made, 'close'))
      return made
    })
    vi.spyOn(prototype, 'getSync').mockImplementationOnce(() => {
      if (how === 'is damaged') return Buffer.from('no head at all')
      throw Object.assign(new Error('block checksum mismatch'), { code: 'LEVEL_CORRUPTION' })
    })
    await expect(group.openSnapshot()).rejects.toMatchObject({ reason: 'INTERNAL' })
    expect(closed).toHaveLength(1)
    for (const close of closed) expect(close).toHaveBeenCalledTimes(1)
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
    while (!done) copies.push(await folder.crashCopy(`crash${copies.length}`))
    await checkpoint
    copies.push(await folder.crashCopy('after'))
    for (const copy of copies) {
      const again = await folder.open(copy)
      const state = await again.group(7)
      expect(state.damage).toBeUndefined()
      const rows = await state.scan(ALL, 5000)
      expect(rows.length).toBe(2000)
      expect(rows.every((row) => text(row.value) === String(state.meta?.applied))).toBe(true)
      await again.close()
    }
  })
})
