import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { inspectState, isLocked, openStateStore } from '../../../src/storage/state/store.ts'
import type { GroupState, StateStore } from '../../../src/storage/state/types.ts'
import { ALL, bytes, meta, testEnv, text } from './fixture.ts'

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

/** What the state holds, in numbers, and the words about its damage. */
async function verified(dir: string): Promise<{ groups: number; rows: number; damage: readonly string[] }> {
  const { groups, damage } = await inspectState(dir)
  const rows = groups.reduce((sum, group) => sum + group.rows, 0)
  return { groups: groups.length, rows, damage: damage.map(({ text }) => text) }
}

describe('a folder', () => {
  test('is opened once; the second opening fails recognisably', async () => {
    const second = open(dir)
    await expect(second).rejects.toMatchObject({ reason: 'INTERNAL' })
    await second.catch((error) => expect(isLocked(error)).toBe(true))
    expect(isLocked(new Error('other'))).toBe(false)
  })

  test('that is in use is not looked at', async () => {
    const error = await inspectState(dir).catch((reason: unknown) => reason)
    expect(isLocked(error)).toBe(true)
    await store.close()
    expect((await inspectState(dir)).damage).toEqual([])
    store = await open(dir)
  })

  test('that never held a state is verified as empty', async () => {
    expect(await verified(join(root, 'nowhere'))).toEqual({ groups: 0, rows: 0, damage: [] })
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
