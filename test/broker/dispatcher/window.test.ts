/** The look-ahead: what it says it covers it knows whole, whatever arrives while it reads and whatever it gives up. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LOOK_AHEAD_BYTES_MAX, WINDOW_BYTES_MAX } from '../../../src/base/limits.ts'
import { LookAheadBudget } from '../../../src/broker/dispatcher/memory/look-ahead-budget.ts'
import { ChannelWindows } from '../../../src/broker/dispatcher/windows/channel-windows.ts'
import {
  comparePositions,
  type KnownMessage,
  MESSAGE_COST,
} from '../../../src/broker/dispatcher/windows/sorted-messages.ts'
import { WINDOW_MESSAGES_MAX, Window } from '../../../src/broker/dispatcher/windows/window.ts'
import type { Position } from '../../../src/views/timer/commands.ts'

const START = { due: 0, index: 0 }
const body = new Uint8Array(1)

/** A store whose reads end when the test says so; each sees what was there when it began. */
class SlowStore {
  readonly messages: KnownMessage[] = []
  readonly budget: LookAheadBudget
  #reads: (() => void)[] = []
  limit = 1000
  nowMs = Number.POSITIVE_INFINITY

  constructor(bytesMax = LOOK_AHEAD_BYTES_MAX, windowBytesMax = WINDOW_BYTES_MAX) {
    this.budget = new LookAheadBudget(bytesMax, windowBytesMax)
  }

  readonly now = () => this.nowMs
  readonly scan = (after: Position): Promise<readonly KnownMessage[]> => {
    const seen = this.messages.filter((m) => comparePositions(m, after) > 0).sort(comparePositions)
    const page = seen.slice(0, this.limit)
    return new Promise((resolve) => this.#reads.push(() => resolve(page)))
  }

  add(window: { stored(message: KnownMessage): void }, message: KnownMessage): void {
    this.messages.push(message)
    window.stored(message)
  }

  async endReads(): Promise<void> {
    for (const end of this.#reads.splice(0)) end()
    for (let i = 0; i < 5; i++) await Promise.resolve()
  }
}

function known(window: Window, after: Position): number[] {
  const out: number[] = []
  window.walk(after, ({ index }) => out.push(index) > 0)
  return out
}

async function full(store: SlowStore, low: Position = START): Promise<Window> {
  const window = new Window(low, store)
  void window.fill(low)
  await store.endReads()
  return window
}

const MESSAGE = 1000
const SIX = 6 * (MESSAGE + MESSAGE_COST)

/** One window of a reader that moves on, against what the store has. */
class Run {
  readonly store: SlowStore
  readonly window: Window
  #low: Position = START
  #index = 0

  constructor(store: SlowStore) {
    this.store = store
    store.limit = 7
    this.window = new Window(START, store)
  }

  async step(type: 'store' | 'fill' | 'end' | 'shrink' | 'release', due: number): Promise<void> {
    const { store, window } = this
    if (type === 'store') {
      this.#index += 1
      store.add(window, { due, index: this.#index, body: new Uint8Array(MESSAGE) })
    } else if (type === 'fill' && !window.filling) void window.fill(this.#low)
    else if (type === 'end') await store.endReads()
    else if (type === 'shrink') window.shrink()
    else if (type === 'release' && due < 60) {
      if (this.#low.due < due) this.#low = { due, index: 0 }
      window.release(this.#low)
    }
  }

  check(): void {
    const { store, window } = this
    const there = store.messages.filter((m) => comparePositions(m, this.#low) > 0).sort(comparePositions)
    expect(known(window, this.#low)).toEqual(there.filter((m) => window.covers(m)).map((m) => m.index))
    expect(window.nextDue(this.#low)).toBeLessThanOrEqual(there[0]?.due ?? Number.POSITIVE_INFINITY)
    expect(store.budget.bytes).toBeGreaterThanOrEqual(window.cost)
  }
}

test.each([
  ['its own bound', LOOK_AHEAD_BYTES_MAX, SIX],
  ["the node's bound", 2 * SIX, LOOK_AHEAD_BYTES_MAX],
])(
  'knowledge is whole up to where the window says it reaches, in any interleaving, at %s',
  async (_, bytes, windowBytes) => {
    const type = fc.oneof(
      { weight: 8, arbitrary: fc.constant('store' as const) },
      { weight: 2, arbitrary: fc.constantFrom('fill' as const, 'end' as const) },
      { weight: 2, arbitrary: fc.constantFrom('fill' as const, 'end' as const, 'release' as const, 'shrink' as const) },
    )
    const step = fc.record({ type, due: fc.integer({ min: 1, max: 500 }) })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 150, size: 'max' }), async (steps) => {
        const run = new Run(new SlowStore(bytes, windowBytes))
        for (const { type, due } of steps) {
          await run.step(type, due)
          run.check()
        }
        await run.store.endReads()
        run.window.close()
        expect(run.store.budget.bytes).toBe(0)
      }),
      { numRuns: 200 },
    )
  },
)

test('a full window keeps the nearest messages and reads the others again', async () => {
  const store = new SlowStore()
  const window = await full(store)
  expect(window.complete).toBe(true)
  for (let i = WINDOW_MESSAGES_MAX + 100; i > 0; i--) store.add(window, { due: i, index: i, body })
  expect(window.complete).toBe(false)
  expect(known(window, START)).toHaveLength(WINDOW_MESSAGES_MAX)
  expect(known(window, START)[0]).toBe(1)
})

test('a window that is half full is read on only for a reader who has nothing left', async () => {
  const store = new SlowStore(LOOK_AHEAD_BYTES_MAX, SIX)
  store.limit = 4
  for (let i = 1; i <= 12; i++) store.messages.push({ due: i, index: i, body: new Uint8Array(MESSAGE) })
  const window = await full(store)
  expect(known(window, START)).toEqual([1, 2, 3, 4])
  expect(window.wantsFill(START, 0)).toBe(false)
  const cursor = { due: 4, index: 4 }
  expect(window.wantsFill(cursor, 0)).toBe(true)
  void window.fill(cursor)
  await store.endReads()
  expect(known(window, cursor)).toEqual([5, 6, 7, 8])
})

describe('bytes are counted by what is held', () => {
  test('a message that waits does not hold the batch that it came with, one that is due at once does', async () => {
    const store = new SlowStore()
    store.nowMs = 10
    const window = await full(store)
    const batch = new Uint8Array(1000).fill(7)
    for (const due of [30, 10, 20]) store.add(window, { due, index: due, body: batch.subarray(100, 200) })
    const held: number[] = []
    window.walk(START, ({ body }) => {
      expect(Buffer.compare(body, batch.subarray(0, 100))).toBe(0)
      return held.push(body.buffer.byteLength) > 0
    })
    expect(held).toEqual([1000, 100, 100])
    expect(window.cost).toBe(1200 + 3 * MESSAGE_COST)
  })

  test('messages that are due and stay give up the batches that they came with', async () => {
    const store = new SlowStore()
    const window = await full(store)
    for (let i = 1; i <= 100; i++) {
      store.add(window, { due: i, index: i, body: new Uint8Array(1024 * 1024).subarray(5, 1005) })
    }
    expect(known(window, START)).toHaveLength(100)
    const buffers = new Set<ArrayBufferLike>()
    window.walk(START, ({ body }) => buffers.add(body.buffer).size > 0)
    const pinned = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0)
    expect(pinned).toBeLessThan(1024 * 1024)
    expect(window.cost).toBe(pinned + 100 * MESSAGE_COST)
    expect(store.budget.bytes).toBe(window.cost)
  })

  test('those of one batch share what it costs', async () => {
    const store = new SlowStore()
    const window = await full(store)
    const batch = new Uint8Array(1000)
    for (let i = 0; i < 10; i++) store.add(window, { due: 1, index: i + 1, body: batch.subarray(i * 90, i * 90 + 90) })
    expect(window.cost).toBe(1000 + 10 * MESSAGE_COST)
    window.release({ due: 1, index: 9 })
    expect(window.cost).toBe(1000 + MESSAGE_COST)
    window.release({ due: 1, index: 10 })
    expect(window.cost).toBe(0)
  })
})

describe('windows of a node', () => {
  const MESSAGES = 100
  const COST = MESSAGES * (MESSAGE + MESSAGE_COST)

  test('stay within one bound together: those not used for longest give up what lies furthest ahead', async () => {
    const store = new SlowStore(3 * COST)
    for (let i = 1; i <= MESSAGES; i++) store.messages.push({ due: i, index: i, body: new Uint8Array(MESSAGE) })
    const windows: Window[] = []
    for (let i = 0; i < 5; i++) {
      windows.push(await full(store))
      expect(store.budget.bytes).toBeLessThanOrEqual(3 * COST)
    }
    expect(windows.map((window) => window.cost === 0)).toEqual([true, true, false, false, false])
    // It knows nothing more, but when it will have to look.
    expect(windows[0]?.nextDue(START)).toBe(1)
    expect(windows[0]?.covers({ due: 1, index: 1 })).toBe(false)
  })

  test('read only what is needed at once when the bound is near', async () => {
    const store = new SlowStore(COST)
    for (let i = 1; i <= MESSAGES; i++) store.messages.push({ due: i, index: i, body: new Uint8Array(MESSAGE) })
    const [one, two] = [await full(store), new Window(START, store)]
    expect(store.budget.tight).toBe(true)
    expect(one.wantsFill(START, 50)).toBe(false)
    expect(one.wantsFill({ due: MESSAGES, index: MESSAGES }, MESSAGES - 1)).toBe(false)
    expect(one.wantsFill({ due: MESSAGES, index: MESSAGES }, MESSAGES)).toBe(true)
    expect(two.wantsFill(START, 0)).toBe(true)
    one.close()
    expect(two.wantsFill(START, -1)).toBe(true)
  })

  test('hear of an earlier message though they gave up knowing', async () => {
    const store = new SlowStore()
    store.messages.push({ due: 1000, index: 1, body })
    const window = await full(store)
    // One more read shows that there is nothing behind it.
    void window.fill(START)
    await store.endReads()
    expect(window.complete).toBe(true)
    window.shrink()
    expect([known(window, START), window.nextDue(START)]).toEqual([[], 1000])
    expect(window.minds(500)).toBe(true)
    window.stored({ due: 500, index: 2, body })
    expect(window.nextDue(START)).toBe(500)
  })
})

test('a fast reader does not wait for a slow one: the slow one gets a window of its own', async () => {
  const store = new SlowStore()
  const windows = new ChannelWindows<object>(store)
  for (let i = 1; i <= 3 * WINDOW_MESSAGES_MAX; i++) store.messages.push({ due: i, index: i, body })
  const [slow, fast] = [{}, {}]
  const first = windows.use(slow, START)
  let cursor: Position = START
  for (let reads = 0; reads < 60 && cursor.index < 2 * WINDOW_MESSAGES_MAX; reads++) {
    const window = windows.use(fast, cursor)
    window.walk(cursor, ({ due, index }) => {
      cursor = { due, index }
      return true
    })
    if (window.wantsFill(cursor, cursor.due)) void window.fill(cursor)
    await store.endReads()
  }
  expect(cursor.index).toBeGreaterThanOrEqual(2 * WINDOW_MESSAGES_MAX)
  expect(windows.use(slow, START)).not.toBe(first)
})

test('what every reader has behind it is let go', async () => {
  const store = new SlowStore()
  const windows = new ChannelWindows<object>(store)
  const [one, two] = [{}, {}]
  const window = windows.use(one, START)
  void window.fill(START)
  await store.endReads()
  for (let i = 1; i <= 100; i++) windows.stored([{ due: i, index: i, body }], i)
  windows.use(two, START)
  windows.use(one, { due: 60, index: 60 })
  expect(known(window, START)).toHaveLength(100)
  windows.use(two, { due: 40, index: 40 })
  expect(known(window, START)).toHaveLength(60)
  windows.leave(two)
  windows.use(one, { due: 60, index: 60 })
  expect(known(window, START)).toHaveLength(40)
})

test('a window that nobody reads any more costs nothing', async () => {
  const store = new SlowStore()
  const windows = new ChannelWindows<object>(store)
  const reader = {}
  void windows.use(reader, START).fill(START)
  await store.endReads()
  windows.stored([{ due: 1, index: 1, body: new Uint8Array(1000) }], 1)
  expect(store.budget.bytes).toBeGreaterThan(1000)
  windows.leave(reader)
  expect([windows.size, store.budget.bytes]).toEqual([0, 0])
})
