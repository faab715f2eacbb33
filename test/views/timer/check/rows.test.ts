/** Rows of a snapshot that another node made up: refused on their way in or by the load, or harmless in all that follows. */
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { InvariantError } from '../../../../src/base/assert.ts'
import { ByteWriter } from '../../../../src/views/timer/bytes.ts'
import type { TimerCommand } from '../../../../src/views/timer/commands.ts'
import { decodeRecords, encodeRecords } from '../../../../src/views/timer/outstanding-rows.ts'
import { createTimerView, type TimerView } from '../../../../src/views/timer/timer-view.ts'
import { flush } from '../../flushed.ts'
import { MapStore } from '../map-store.ts'
import { G, PartitionDriver, text } from '../partition-driver.ts'

type Rows = readonly (readonly [string, Uint8Array])[]

/** Rows of every kind. */
let honest: Rows
let at: number

beforeAll(async () => {
  const p = new PartitionDriver()
  p.attach('s')
  p.attach('t')
  const granted = p.deliver('s', p.produce(0, 0, 0, 0, 0, 0))
  p.nack(granted.slice(0, 2), { delayMs: 10, reason: 'later' })
  p.ack(granted.slice(2, 3))
  p.produce(50, 1_000_000)
  const messages = [{ channel: 'other', body: Uint8Array.of(0, 7) }]
  p.apply({ type: 'produce', sequence: { producer: 'p', first: 1 }, messages })
  // More than stay in memory, so that some lie cold.
  for (let i = 0; i < 5; i++) {
    const many = p.produce(...Array.from({ length: 4_000 }, () => 0))
    p.nack(p.deliver('t', many), { delayMs: 100_000 })
  }
  p.pass(20)
  flush(p.view, p.store)
  // What lies cold, and messages of it, are many and alike.
  const alike = (key: string) => key.startsWith('m') && key.charCodeAt(16) > 9
  honest = [...p.store.rows].filter(([key]) => !alike(key)).sort(([a], [b]) => (a < b ? -1 : 1))
  at = p.at
})

/** The view that a replica would have after it took the rows; undefined when they are refused. */
async function take(rows: Rows): Promise<{ view: TimerView; store: MapStore } | undefined> {
  const view = createTimerView()
  const check = view.rowCheck()
  for (const [i, [key, value]] of rows.entries()) {
    const before = rows[i - 1]?.[0]
    if ((before !== undefined && before >= key) || !check.takes(key, value)) return undefined
  }
  const store = new MapStore(rows)
  try {
    const adopt = await view.load(store, at)
    adopt()
    return { view, store }
  } catch (error) {
    if (error instanceof InvariantError) return undefined
    throw error
  }
}

/** Everything that a partition does: none of it may throw, and it can be saved and loaded. */
async function live({ view, store }: { view: TimerView; store: MapStore }): Promise<void> {
  const driver = new PartitionDriver()
  driver.view = view
  driver.store = store
  driver.at = at
  const cursor = () => view.group(G)?.cursor ?? { due: 0, index: 0 }
  const steps: readonly (() => TimerCommand)[] = [
    () => ({ type: 'produce', messages: [{ channel: 'master', body: text('m') }] }),
    () => ({ type: 'produce', sequence: { producer: 'p', first: 2 }, messages: [{ channel: 'new', body: text('m') }] }),
    () => ({ type: 'attach', ...G, consumer: 's', session: 's', start: { type: 'earliest' } }),
    () => {
      const to = { due: driver.at, index: view.lastIndex }
      const run = { session: 's', leaseMs: 50, positions: [to], again: [1, 2, 6_000, 20_000] }
      return { type: 'deliver', ...G, after: cursor(), to, runs: [run], parked: [] }
    },
    () => {
      const leases = [...(view.group(G)?.leases() ?? [])].slice(0, 9)
      const items = leases.map(({ index, fence }) => ({ index, fence, delayMs: 1, keepPlace: false, reason: '' }))
      return { type: 'nack', ...G, items }
    },
    () => ({ type: 'detach', ...G, session: 't' }),
  ]
  for (const step of [...steps, ...steps]) {
    // A store that holds a row where there is to be none is a fault of the store alone.
    driver.store.put = (key, value) => void driver.store.rows.set(key, value)
    driver.apply(step())
    driver.pass(60_000)
    await view.group(G)?.thaw(store, driver.at)
  }
  await driver.reload()
}

describe('rows of a snapshot', () => {
  test('that a replica made are taken, of every kind', async () => {
    expect(new Set(honest.map(([key]) => key.charAt(0)))).toEqual(new Set('abcgkmoprs'))
    const taken = await take(honest)
    if (taken === undefined) expect.unreachable('they were refused')
    else await live(taken)
  })

  const change = fc.record({
    row: fc.nat(),
    at: fc.oneof(fc.nat(12), fc.nat(5_000)),
    value: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 127, 128, 255)),
    how: fc.constantFrom('change', 'change', 'change', 'insert', 'cut', 'drop', 'key', 'swap', 'endless'),
  })

  test('that are nearly right are refused, or harmless', async () => {
    let refused = 0
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const taken = await take(changes.reduce(changed, honest))
        if (taken === undefined) refused++
        else await live(taken)
      }),
      { numRuns: 30 },
    )
    expect(refused).toBeGreaterThan(5)
  })

  test.each<[what: string, of: (rows: Rows) => Rows]>([
    ['garbage under keys of its own', () => [['x', text('garbage')]]],
    ['garbage under a key of the view', () => [['a', text('garbage')]]],
    ['without the counters', (rows) => rows.filter(([key]) => key !== 'a')],
    ['without a cold block that a group has', (rows) => rows.filter(([key]) => key.charAt(0) !== 'b')],
    ['without the sessions that hold leases', (rows) => rows.filter(([key]) => key.charAt(0) !== 's')],
    ['without the channels', (rows) => rows.filter(([key]) => key.charAt(0) !== 'c')],
    [
      'with a message outstanding twice',
      (rows) => rows.map(([key, value]) => [key, key.charAt(0) === 'o' ? twice(value) : value]),
    ],
    ['with counters at their end', (rows) => [['a', counters(2 ** 52 - 1)], ...rows.slice(1)]],
  ])('%s are refused', async (_, of) => {
    expect(await take(of(honest))).toBeUndefined()
  })

  test('of a later time than the snapshot are refused', async () => {
    const view = createTimerView()
    await expect(view.load(new MapStore(honest), 1)).rejects.toThrow(InvariantError)
  })

  test('change nothing before they are adopted', async () => {
    const p = new PartitionDriver()
    p.produce(0)
    const adopt = await p.view.load(new MapStore(honest), at)
    expect(p.view.lastIndex).toBe(1)
    adopt()
    expect(p.view.lastIndex).toBeGreaterThan(20_000)
  })
})

type Change = { readonly row: number; readonly at: number; readonly value: number; readonly how: string }

function changed(rows: Rows, { row, at: where, value, how }: Change): Rows {
  // Rows of each kind as often as of any other: the first of a kind has fewer like it.
  const place = row % Math.min(rows.length, 40)
  const [key, bytes] = rows[place] ?? ['', new Uint8Array(0)]
  const at = where % (bytes.length + 1)
  const [before, behind] = [bytes.subarray(0, at), bytes.subarray(at)]
  const put = (next: Uint8Array, under = key): Rows => rows.with(place, [under, next])
  if (how === 'insert') return put(Uint8Array.of(...before, value, ...behind))
  if (how === 'cut') return put(Uint8Array.from(before))
  if (how === 'drop') return rows.filter((_, i) => i !== place)
  if (how === 'key') return put(bytes, key.slice(0, -1) + String.fromCharCode(value))
  if (how === 'swap') return put(rows[value % rows.length]?.[1] ?? bytes)
  if (how === 'endless')
    return put(Uint8Array.of(...before, 255, 255, 255, 255, 255, 255, 255, 7, ...behind.subarray(1)))
  return put(Uint8Array.of(...before, value, ...behind.subarray(1)))
}

/** The first of these records stands twice. */
function twice(row: Uint8Array): Uint8Array {
  const [first] = decodeRecords(row)
  return encodeRecords(first === undefined ? [] : [first, first])
}

function counters(lastIndex: number): Uint8Array {
  const out = new ByteWriter(64)
  for (const value of [1, lastIndex, lastIndex, 1_000, 1, 1]) out.number(value)
  return out.finish()
}
