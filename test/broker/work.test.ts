/** Cost follows work: what a produce, a due time or an ack costs beside a thousand groups that have nothing to do. */
import { describe, expect, test, vi } from 'vitest'
import type { Consumer } from './harness.ts'
import { Harness } from './harness.ts'
import type { SlowReader } from './slow-reader.ts'

const MANY = 1000

/** Groups that were run, and reads of the store, in what follows. */
async function work(
  h: Harness,
  reader: SlowReader,
  act: () => Promise<unknown>,
): Promise<{ runs: number; reads: number }> {
  const asked = vi.spyOn(h.handle.view, 'group')
  const before = reader.scans.length + reader.asked.length
  await act()
  await h.time.run(1)
  const seen = { runs: asked.mock.calls.length, reads: reader.scans.length + reader.asked.length - before }
  asked.mockRestore()
  return seen
}

/** The kinds of groups that have nothing to do with a message on the channel master. */
const IDLE: Readonly<Record<string, (h: Harness, name: string) => Consumer>> = {
  'to which nobody is attached any more': (h, name) => {
    const consumer = h.consumer(name, { group: name })
    consumer.session.close(true)
    return consumer
  },
  'with consumers of another channel': (h, name) => h.consumer(name, { group: name, channel: 'other' }),
  'whose consumers have no credit left': (h, name) =>
    h.consumer(name, { group: name, credit: 1, leaseMs: Number.POSITIVE_INFINITY }),
  'whose consumers have streams that take nothing': (h, name) => {
    const consumer = h.consumer(name, { group: name, start: { type: 'latest' } })
    consumer.full = true
    return consumer
  },
}

interface Scene {
  readonly h: Harness
  readonly reader: SlowReader
  readonly consumer: Consumer
}

/** One group that works, beside `count` of a kind that does not, after all that comes of its beginning. */
async function beside(count: number, idle: (h: Harness, name: string) => Consumer): Promise<Scene> {
  const h = new Harness()
  const reader = h.slowReader()
  const consumer = h.consumer('main', { credit: 1000 }, { ack: true })
  await h.produced(2)
  for (let i = 0; i < count; i++) idle(h, `idle${i}`)
  await h.time.run(100)
  await h.produced(1)
  await h.time.run(20_000)
  return { h, reader, consumer }
}

describe.each(Object.keys(IDLE))('a thousand groups %s', (kind) => {
  const idle = IDLE[kind]
  if (idle === undefined) throw new Error('a kind of the table')

  test('add nothing to what a produce, a due time and an ack cost', async () => {
    const costs: unknown[] = []
    for (const count of [1, MANY]) {
      const { h, reader, consumer } = await beside(count, idle)
      const before = consumer.got.length
      const produced = await work(h, reader, () => h.produced(1))
      const scheduled = await work(h, reader, () => h.produced(1, { delayMs: 5000 }))
      const due = await work(h, reader, () => h.time.run(5100))
      expect(consumer.got.length).toBe(before + 2)
      costs.push({ produced, scheduled, due })
    }
    expect(costs[1]).toEqual(costs[0])
  })
})

test('nobody knows of groups to which nobody is attached: no window is kept for them, and they are not looked at', async () => {
  const { h } = await beside(MANY, (harness, name) => {
    const consumer = harness.consumer(name, { group: name, channel: `c${name.length}` })
    consumer.session.close(false)
    return consumer
  })
  expect(h.partition.leadership?.dispatcher.size).toBe(1)
  expect(h.memory.lookAhead.bytes).toBeLessThan(1000)
  expect([...h.handle.view.groups()]).toHaveLength(MANY + 1)
})

test('a take-over looks at groups that have sessions, and at no others', async () => {
  const { h } = await beside(MANY, (harness, name) => {
    const consumer = harness.consumer(name, { group: name })
    consumer.session.close(true)
    return consumer
  })
  h.takeOver()
  expect(h.partition.leadership?.dispatcher.size).toBe(1)
})

test('a message that is due later than what a group waits for does not wake it, one that is due earlier does', async () => {
  const h = new Harness()
  const reader = h.slowReader()
  const consumer = h.consumer('a')
  await h.produced(1, { delayMs: 10_000 })
  await h.time.run(10)
  expect((await work(h, reader, () => h.produced(1, { delayMs: 20_000 }))).runs).toBe(0)
  expect((await work(h, reader, () => h.produced(1, { delayMs: 5000 }))).runs).toBeGreaterThan(0)
  await h.time.run(6000)
  expect(consumer.indexes).toEqual([3])
  await h.time.run(20_000)
  expect(consumer.indexes).toEqual([3, 1, 2])
})

test('of a thousand consumers of a group a delivery looks at as many as it has messages', async () => {
  const h = new Harness()
  const consumers = Array.from({ length: MANY }, (_, i) => h.consumer(`c${i}`, {}, { ack: true }))
  await h.time.run(100)
  const group = h.handle.view.group({ channel: 'master', group: 'g' })
  const asked = vi.spyOn(Object.getPrototypeOf(group), 'leasedBy')
  await h.produced(3)
  await h.time.run(1)
  expect(asked.mock.calls.length).toBeLessThanOrEqual(10)
  asked.mockRestore()
  expect(consumers.filter(({ got }) => got.length === 1)).toHaveLength(3)
})

test('a thousand groups that have something to do are looked at in slices of time', async () => {
  const h = new Harness()
  const consumers = Array.from({ length: MANY }, (_, i) => h.consumer('c', { group: `g${i}` }))
  await h.time.run(100)
  const asked = vi.spyOn(h.handle.view, 'group')
  const { endOfTurn, monoMs } = h.env
  let most = 0
  h.env.endOfTurn = (run) => {
    endOfTurn.call(h.env, () => {
      const before = asked.mock.calls.length
      run()
      most = Math.max(most, asked.mock.calls.length - before)
    })
  }
  // Whoever looks at the clock finds that a millisecond has passed.
  let late = 0
  h.env.monoMs = () => monoMs.call(h.env) + late++
  await h.produced(1)
  await h.time.run(100)
  expect(most).toBeLessThan(MANY / 2)
  expect(consumers.filter(({ got }) => got.length === 1)).toHaveLength(MANY)
  asked.mockRestore()
})
