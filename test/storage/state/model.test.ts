import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { GroupState, KeyRange, StateStore } from '../../../src/storage/state/types.ts'
import { ALL, bytes, copySnapshot, HOMES, type Home, meta, pairs, text } from './fixture.ts'

type Rows = ReadonlyMap<string, string>

type Op =
  | { type: 'put'; key: string; size: number; fresh: boolean }
  | { type: 'delete' | 'get'; key: string }
  | { type: 'scan'; range: KeyRange; limit: number; reverse: boolean; wait: boolean }
  | { type: 'checkpoint'; wait: boolean }
  | { type: 'reopen' | 'remove' }
  | { type: 'install'; rows: readonly string[]; end: 'commit' | 'abort' | 'crash' }

const key = fc.array(fc.constantFrom('\x00', 'a', 'b', '\x7f', '\xff'), { maxLength: 3 }).map((parts) => parts.join(''))
const range = fc.oneof(fc.constant(ALL), fc.record({ gte: key, lt: key }))
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({ type: fc.constant('put' as const), key, size: fc.nat(400), fresh: fc.boolean() }),
  },
  { weight: 5, arbitrary: fc.record({ type: fc.constantFrom('delete' as const, 'get' as const), key }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('scan' as const),
      range,
      limit: fc.integer({ min: 1, max: 30 }),
      reverse: fc.boolean(),
      wait: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('checkpoint' as const), wait: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('reopen' as const, 'remove' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('install' as const),
      rows: fc.array(key, { maxLength: 5 }),
      end: fc.constantFrom('commit' as const, 'abort' as const, 'crash' as const),
    }),
  },
)

/** The store beside a plain map of what is there and one of what a crash would leave. */
class Run {
  readonly #home: Home
  #store: StateStore
  #group: GroupState
  #live: Rows = new Map()
  #durable: Rows = new Map()
  #applied = 0
  #durableApplied = 0
  #checkpoint: Promise<void> = Promise.resolve()
  readonly #scans: Promise<void>[] = []
  #count = 0

  constructor(home: Home, store: StateStore, group: GroupState) {
    this.#home = home
    this.#store = store
    this.#group = group
  }

  async do(step: Op): Promise<void> {
    switch (step.type) {
      case 'put': {
        const value = `${this.#count++}`.padEnd(step.size, '.')
        this.#group.put(step.key, bytes(value), step.fresh && !this.#live.has(step.key))
        this.#live = new Map(this.#live).set(step.key, value)
        return
      }
      case 'delete': {
        this.#group.delete(step.key)
        const live = new Map(this.#live)
        live.delete(step.key)
        this.#live = live
        return
      }
      case 'get':
        expect(text(this.#group.get(step.key))).toBe(this.#live.get(step.key))
        return
      case 'scan':
        return this.#scan(step)
      case 'checkpoint':
        return this.#startCheckpoint(step.wait)
      case 'reopen':
        return this.#reopen()
      case 'remove':
        await this.#settle()
        await this.#store.remove(7)
        this.#group = await this.#store.group(7)
        this.#live = new Map()
        this.#durable = this.#live
        this.#durableApplied = 0
        return
      case 'install':
        return this.#install(step)
    }
  }

  async end(): Promise<void> {
    await this.#settle()
    expect(pairs(await this.#group.scan(ALL, 1000))).toEqual(select(this.#live, ALL, 1000, false))
    await this.#reopen()
    await this.#store.close()
  }

  async #scan(step: Op & { type: 'scan' }): Promise<void> {
    const expected = select(this.#live, step.range, step.limit, step.reverse)
    const scan = this.#group.scan(step.range, step.limit, { reverse: step.reverse }).then((rows) => {
      expect(pairs(rows)).toEqual(expected)
    })
    if (step.wait) await scan
    else this.#scans.push(scan)
  }

  async #startCheckpoint(wait: boolean): Promise<void> {
    await this.#checkpoint
    const rows = this.#live
    const applied = ++this.#applied
    this.#checkpoint = this.#group.checkpoint(meta(applied)).then(() => {
      this.#durable = rows
      this.#durableApplied = applied
    })
    if (wait) await this.#checkpoint
  }

  async #reopen(): Promise<void> {
    await this.#settle()
    await this.#store.close()
    this.#store = await this.#home.open()
    this.#group = await this.#store.group(7)
    this.#live = this.#durable
    expect(this.#group.damage).toBeUndefined()
    expect(this.#group.meta?.applied ?? 0).toBe(this.#durableApplied)
    expect(pairs(await this.#group.scan(ALL, 1000))).toEqual(select(this.#live, ALL, 1000, false))
  }

  async #install(step: Op & { type: 'install' }): Promise<void> {
    await this.#settle()
    await this.#store.remove(8)
    const leader = await this.#store.group(8)
    for (const name of step.rows) leader.put(name, bytes('installed'))
    await leader.checkpoint(meta(++this.#applied))
    const sink = await this.#group.beginInstall()
    const snapshot = await copySnapshot(leader, sink, 60)
    if (step.end === 'crash') return this.#reopen()
    if (step.end === 'abort') return sink.abort()
    await sink.commit(snapshot)
    this.#live = new Map(step.rows.map((name) => [name, 'installed']))
    this.#durable = this.#live
    this.#durableApplied = this.#applied
  }

  async #settle(): Promise<void> {
    await this.#checkpoint
    await Promise.all(this.#scans.splice(0))
  }
}

function select(rows: Rows, within: KeyRange, limit: number, reverse: boolean): string[] {
  const keys = [...rows.keys()].filter((name) => name >= within.gte && name < within.lt).sort()
  if (reverse) keys.reverse()
  return keys.slice(0, limit).map((name) => `${name}=${rows.get(name)}`)
}

describe.each(Object.keys(HOMES))('a state store on %s', (kind) => {
  test('behaves like a map that forgets what was not checkpointed', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(op, { minLength: 5, maxLength: 60 }), async (steps) => {
        const home = await (HOMES[kind] as () => Promise<Home>)()
        const store = await home.open()
        const run = new Run(home, store, await store.group(7))
        try {
          for (const step of steps) await run.do(step)
          await run.end()
        } finally {
          await store.close()
          await home.remove()
        }
      }),
      { numRuns: kind === 'memory' ? 200 : 40 },
    )
  })
})
