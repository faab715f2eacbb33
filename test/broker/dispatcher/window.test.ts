/** The look-ahead: what it says it covers it knows whole, whatever arrives while it reads. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ChannelWindows } from '../../../src/broker/dispatcher/channel-windows.ts'
import { comparePositions, type KnownMessage } from '../../../src/broker/dispatcher/sorted-messages.ts'
import { WINDOW_BYTES_MAX, WINDOW_MESSAGES_MAX, Window } from '../../../src/broker/dispatcher/window.ts'
import type { Position } from '../../../src/views/timer/commands.ts'

const START = { due: 0, index: 0 }
const body = new Uint8Array(1)

/** A store whose reads end when the test says so; each sees what was there when it began. */
class SlowStore {
  readonly messages: KnownMessage[] = []
  #reads: (() => void)[] = []
  limit = 1000
  nowMs = Number.POSITIVE_INFINITY

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

test('knowledge is whole up to where the window says it reaches, in any interleaving', async () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ type: fc.constant('store' as const), due: fc.integer({ min: 1, max: 500 }) }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('fill' as const), due: fc.constant(0) }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('end' as const), due: fc.constant(0) }) },
    {
      weight: 1,
      arbitrary: fc.record({ type: fc.constant('release' as const), due: fc.integer({ min: 1, max: 60 }) }),
    },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 150, size: 'max' }), async (steps) => {
      const store = new SlowStore()
      store.limit = 7
      const window = new Window(START, store)
      let low: Position = START
      let index = 0
      for (const { type, due } of steps) {
        if (type === 'store') {
          index += 1
          // Large bodies: the window is full after six.
          store.add(window, { due, index, body: { length: WINDOW_BYTES_MAX / 6 } as Uint8Array })
        } else if (type === 'fill' && !window.filling) void window.fill(low)
        else if (type === 'end') await store.endReads()
        else if (type === 'release') {
          low = comparePositions(low, { due, index: 0 }) < 0 ? { due, index: 0 } : low
          window.release(low)
        }
        const there = store.messages.filter((m) => comparePositions(m, low) > 0 && window.covers(m))
        expect(known(window, low)).toEqual(there.sort(comparePositions).map((m) => m.index))
      }
    }),
    { numRuns: 300 },
  )
})

test('a full window keeps the nearest messages and reads the others again', async () => {
  const store = new SlowStore()
  const window = new Window(START, store)
  void window.fill(START)
  await store.endReads()
  expect(window.complete).toBe(true)
  for (let i = WINDOW_MESSAGES_MAX + 100; i > 0; i--) store.add(window, { due: i, index: i, body })
  expect(window.complete).toBe(false)
  expect(known(window, START)).toHaveLength(WINDOW_MESSAGES_MAX)
  expect(known(window, START)[0]).toBe(1)
})

test('a message that waits does not hold the batch that it came with, one that is due at once does', async () => {
  const store = new SlowStore()
  store.nowMs = 10
  const window = new Window(START, store)
  const batch = new Uint8Array(1000).fill(7)
  store.messages.push({ due: 30, index: 1, body: batch.subarray(0, 100) })
  void window.fill(START)
  await store.endReads()
  void window.fill({ due: 30, index: 1 })
  await store.endReads()
  for (const due of [10, 20]) store.add(window, { due, index: due, body: batch.subarray(100, 200) })
  const held: number[] = []
  window.walk(START, ({ body }) => {
    expect(Buffer.compare(body, batch.subarray(0, 100))).toBe(0)
    return held.push(body.buffer.byteLength) > 0
  })
  expect(held).toEqual([1000, 100, 100])
})

test('a fast reader does not wait for a slow one: the slow one gets a window of its own', async () => {
  const store = new SlowStore()
  const windows = new ChannelWindows(store)
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
    if (window.wantsFill(cursor)) void window.fill(cursor)
    await store.endReads()
  }
  expect(cursor.index).toBeGreaterThanOrEqual(2 * WINDOW_MESSAGES_MAX)
  expect(windows.use(slow, START)).not.toBe(first)
})

test('what every reader has behind it is let go', async () => {
  const store = new SlowStore()
  const windows = new ChannelWindows(store)
  const [one, two] = [{}, {}]
  const window = windows.use(one, START)
  void window.fill(START)
  await store.endReads()
  for (let i = 1; i <= 100; i++) windows.stored({ due: i, index: i, body })
  windows.use(two, START)
  windows.use(one, { due: 60, index: 60 })
  expect(known(window, START)).toHaveLength(100)
  windows.use(two, { due: 40, index: 40 })
  expect(known(window, START)).toHaveLength(60)
  windows.leave(two)
  windows.use(one, { due: 60, index: 60 })
  expect(known(window, START)).toHaveLength(40)
})
