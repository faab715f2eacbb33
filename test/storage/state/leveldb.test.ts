import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
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

  test('that never held a state is verified as empty', async () => {
    expect(await verified(join(folder.root, 'nowhere'))).toEqual({ groups: 0, rows: 0, damage: [] })
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
