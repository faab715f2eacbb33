/**
 * A state store whose process dies, or loses its power, before and after every write to its database: what a checkpoint,
 * a snapshot or a removal had confirmed is there, what was under way is there whole or not at all.
 */
import { ClassicLevel } from 'classic-level'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Database } from '../../../src/storage/state/database.ts'
import { LevelDatabase } from '../../../src/storage/state/level-database.ts'
import { MemoryDatabase } from '../../../src/storage/state/memory-database.ts'
import type { GroupState, StateStore } from '../../../src/storage/state/types.ts'
import { ALL, bytes, type Crash, copySnapshot, HOMES, type Home, meta, text } from './fixture.ts'

/** Four of them are two batches of a snapshot. */
const LARGE_BYTES = 1_500_000

/** A group as it stands in the database: its meta and its rows. Empty: it is not there. */
type Standing = string
const NOWHERE: Standing = '0:'

interface Expected {
  readonly confirmed: Standing
  /** What an operation that has not ended would make of it. */
  readonly underWay: Standing | undefined
}

interface Moment {
  readonly name: string
  readonly left: Home
  readonly expected: ReadonlyMap<number, Expected>
}

class Recorder {
  readonly moments: Moment[] = []
  readonly #home: Home
  readonly #expected = new Map<number, Expected>()
  /** Of the top layer. */
  readonly #rows = new Map<number, Map<string, string>>()

  constructor(home: Home) {
    this.#home = home
  }

  /** Copies the database before and after every write to it, from now on. */
  watch(database: { readonly prototype: Database }): void {
    const { batch, clear } = database.prototype
    const recorder = this
    vi.spyOn(database.prototype, 'batch').mockImplementation(async function (this: Database) {
      const made = await batch.call(this)
      const write = made.write.bind(made)
      made.write = async () => {
        await recorder.note('before a batch')
        await write()
        await recorder.note('after a batch')
      }
      return made
    })
    vi.spyOn(database.prototype, 'clear').mockImplementation(async function (this: Database, range, rowsMax) {
      await recorder.note('before a deletion')
      const left = await clear.call(this, range, rowsMax)
      await recorder.note('after a deletion')
      return left
    })
  }

  /** A sync of LevelDB covers all that its log holds. */
  watchSyncs(): void {
    const home = this.#home
    const original = ClassicLevel.prototype.batch as (this: unknown) => {
      write(options: { sync?: boolean }): Promise<void>
    }
    vi.spyOn(ClassicLevel.prototype as { batch: typeof original }, 'batch').mockImplementation(function (
      this: unknown,
    ) {
      const batch = original.call(this)
      const write = batch.write.bind(batch)
      batch.write = async (options) => {
        await write(options)
        if (options.sync === true) await home.synced()
      }
      return batch
    })
  }

  async note(name: string): Promise<void> {
    const expected = new Map(this.#expected)
    for (const how of ['kill', 'cut'] satisfies Crash[]) {
      this.moments.push({ name: `${how} ${name}`, left: await this.#home.crashed(how), expected })
    }
  }

  put(group: GroupState, id: number, key: string, value: string): void {
    const rows = this.#rows.get(id) ?? new Map<string, string>()
    this.#rows.set(id, rows.set(key, value))
    group.put(key, bytes(value))
  }

  async checkpoint(group: GroupState, id: number, applied: number): Promise<void> {
    await this.during(id, standing(applied, this.#rows.get(id) ?? []), () => group.checkpoint(meta(applied)))
  }

  async during(id: number, becomes: Standing, run: () => Promise<void>): Promise<void> {
    const { confirmed } = this.#expected.get(id) ?? { confirmed: NOWHERE }
    this.#expected.set(id, { confirmed, underWay: becomes })
    await run()
    this.#expected.set(id, { confirmed: becomes, underWay: undefined })
  }

  rowsOf(id: number): Map<string, string> {
    return new Map(this.#rows.get(id))
  }

  forget(id: number, rows = new Map<string, string>()): void {
    this.#rows.set(id, rows)
  }
}

function standing(applied: number, rows: Iterable<readonly [string, string]>): Standing {
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1))
  return `${applied}:${sorted.map(([key, value]) => `${key}=${brief(value)}`).join()}`
}

function brief(value: string): string {
  return value.length > 100 ? `${value[0]} * ${value.length}` : value
}

/** Everything that writes to the database, some of it at the same time. */
async function workload(store: StateStore, recorder: Recorder): Promise<void> {
  const [seven, eight, nine] = await Promise.all([store.group(7), store.group(8), store.group(9)])
  const fill = (group: GroupState, id: number, value: string, count: number) => {
    for (let i = 0; i < count; i++) recorder.put(group, id, `k${String(i).padStart(3, '0')}`, value)
  }
  fill(seven, 7, 'first', 40)
  await recorder.checkpoint(seven, 7, 1)
  fill(seven, 7, 'second', 20)
  fill(eight, 8, 'first', 30)
  const [one, two] = [recorder.checkpoint(seven, 7, 2), recorder.checkpoint(eight, 8, 5)]
  fill(seven, 7, 'not yet', 10)
  await Promise.all([one, two])
  await recorder.checkpoint(seven, 7, 3)

  // A snapshot over what was there, and one that is given up.
  const sink = await seven.beginInstall()
  const snapshot = await copySnapshot(eight, sink)
  recorder.forget(7, recorder.rowsOf(8))
  await recorder.during(7, standing(5, recorder.rowsOf(8)), () => sink.commit(snapshot))
  await cleared(store)
  const broken = await nine.beginInstall()
  await copySnapshot(seven, broken)
  await broken.abort()
  fill(nine, 9, 'own', 5)
  await recorder.checkpoint(nine, 9, 7)
  await cleared(store)

  // Gone, and there again under the same number.
  recorder.forget(8)
  await recorder.during(8, NOWHERE, () => store.remove(8))
  const again = await store.group(8)
  fill(again, 8, 'again', 3)
  await recorder.checkpoint(again, 8, 9)
  await cleared(store)

  // A snapshot of several batches.
  for (const [i, letter] of ['a', 'b', 'c', 'd'].entries())
    recorder.put(again, 8, `large${i}`, letter.repeat(LARGE_BYTES))
  await recorder.checkpoint(again, 8, 10)
  const large = await nine.beginInstall()
  const whole = await copySnapshot(again, large, LARGE_BYTES)
  await recorder.during(9, standing(10, recorder.rowsOf(8)), () => large.commit(whole))
  await cleared(store)
}

/** The bound is that of the test. */
async function cleared(store: StateStore): Promise<void> {
  while (store.stats().deadGenerations > 0) await new Promise((resolve) => setTimeout(resolve, 1))
}

async function found(store: StateStore, id: number): Promise<Standing> {
  const group = await store.group(id)
  expect(group.damage).toBeUndefined()
  const rows = await group.scan(ALL, 1000, { maxBytes: Number.POSITIVE_INFINITY })
  return standing(
    group.meta?.applied ?? 0,
    rows.map(({ key, value }) => [key, text(value) ?? '']),
  )
}

/**
 * What stands there is what it should be; then the store works on, over whatever the crash left behind. Tells whether it
 * had to delete something first.
 */
async function recovers({ name, left, expected }: Moment): Promise<{ readonly deletedAgain: boolean }> {
  const deletions = [MemoryDatabase, LevelDatabase].map(({ prototype }) => vi.spyOn(prototype as Database, 'clear'))
  const store = await left.open()
  for (const [id, { confirmed, underWay }] of expected) {
    expect([confirmed, underWay], `${name}, group ${id}`).toContain(await found(store, id))
  }
  await cleared(store)
  const deleted = deletions.some(({ mock }) => mock.calls.length > 0)
  if (name === 'kill after a deletion') expect(deleted, name).toBe(false)
  vi.restoreAllMocks()
  const [seven, ten] = [await store.group(7), await store.group(10)]
  ten.put('only', bytes('row'))
  await ten.checkpoint(meta(20))
  const sink = await seven.beginInstall()
  const snapshot = await copySnapshot(ten, sink)
  await sink.commit(snapshot)
  expect(await found(store, 7), name).toBe('20:only=row')
  await cleared(store)
  await store.close()
  const again = await left.open()
  expect(await found(again, 7), name).toBe('20:only=row')
  await again.close()
  return { deletedAgain: deleted }
}

afterEach(() => vi.restoreAllMocks())

describe.each(Object.keys(HOMES))('a state store on %s', (kind) => {
  test('that dies at any write has what was confirmed, and of what was under way all or nothing', async () => {
    const home = await (HOMES[kind] as () => Promise<Home>)()
    const recorder = new Recorder(home)
    recorder.watch(MemoryDatabase)
    recorder.watch(LevelDatabase)
    recorder.watchSyncs()
    const store = await home.open()
    await workload(store, recorder)
    await recorder.note('at the end')
    vi.restoreAllMocks()
    await store.close()
    const takenBack = new Set<string>()
    for (const moment of recorder.moments) {
      const { deletedAgain } = await recovers(moment)
      if (deletedAgain) takenBack.add(moment.name)
      await moment.left.remove()
    }
    // Deletions are not synced: the power takes them back, and the death of the process does not.
    expect(takenBack).toContain('cut after a deletion')
    expect(recorder.moments.length).toBeGreaterThanOrEqual(60)
    await home.remove()
  }, 60_000)
})
