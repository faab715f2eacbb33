/** Of a thousand consumers of a group those cost something for whom something is done. */
import { describe, expect, test, vi } from 'vitest'
import type { Consumer } from './harness.ts'
import { Harness } from './harness.ts'
import { group, pull, view } from './pulling.ts'

const MANY = 1000
const ENDLESS = Number.POSITIVE_INFINITY

/** Sessions of which the group was asked what they hold, while `act` runs. */
async function looks(h: Harness, act: () => Promise<unknown>): Promise<number> {
  const asked = vi.spyOn(Object.getPrototypeOf(view(h)), 'leasedBy')
  await act()
  await h.time.run(1)
  const { length } = asked.mock.calls
  asked.mockRestore()
  return length
}

/** Consumers that hold one message each and may hold no more. */
async function full(h: Harness, count: number): Promise<Consumer[]> {
  const consumers = Array.from({ length: count }, (_, i) => h.consumer(`f${i}`, { credit: 1, leaseMs: ENDLESS }))
  await h.time.run(10)
  await h.produced(count)
  await h.time.run(100)
  expect(consumers.every(({ got }) => got.length === 1)).toBe(true)
  return consumers
}

/** Pulls that were answered and whose leases run. */
async function answered(h: Harness, count: number): Promise<void> {
  await h.produced(count)
  for (let i = 0; i < count; i++) {
    const { got } = pull(h, { max: 1, leaseMs: 3_600_000 })
    await h.time.run(1)
    expect(got()).toHaveLength(1)
  }
}

describe('what a message costs, its delivery and its ack', () => {
  test.each([
    ['consumers whose hands are full', full],
    ['answered Pulls whose leases run', answered],
  ])('is the same beside one and beside a thousand %s', async (_kind, others) => {
    const costs: number[] = []
    for (const count of [1, MANY]) {
      const h = new Harness()
      await others(h, count)
      const main = h.consumer('main', { credit: 1000 }, { ack: true })
      await h.time.run(10)
      // Who was given something is looked at once more.
      for (let round = 0; round < 2; round++) {
        await h.produced(1)
        await h.time.run(10)
      }
      costs.push(await looks(h, () => h.produced(1)))
      expect(main.got).toHaveLength(3)
    }
    expect(costs[1]).toBe(costs[0])
  })

  test('is the same when a thousand consumers get them in turn', async () => {
    const h = new Harness()
    const consumers = Array.from({ length: MANY }, (_, i) => h.consumer(`c${i}`, { credit: 1 }, { ack: true }))
    await h.time.run(100)
    const costs: number[] = []
    for (let i = 0; i < 20; i++) costs.push(await looks(h, () => h.produced(1)))
    expect(Math.max(...costs)).toBeLessThanOrEqual(2)
    expect(consumers.filter(({ got }) => got.length === 1)).toHaveLength(20)
  })

  test('of redeliveries is as many looks as there are of them', async () => {
    const h = new Harness()
    const consumers = Array.from({ length: MANY }, (_, i) => h.consumer(`c${i}`))
    await h.time.run(100)
    await h.produced(1)
    await h.time.run(10)
    const held = consumers.flatMap((consumer) => consumer.held.map((of) => ({ of, consumer })))
    const nack = { delayMs: 0, keepPlace: false, reason: '' }
    const cost = await looks(h, async () => {
      for (const { of, consumer } of held) consumer.session.nack(1, [{ ...of, ...nack }])
    })
    expect(consumers.reduce((sum, { got }) => sum + got.length, 0)).toBe(2)
    expect(cost).toBeLessThanOrEqual(6)
  })
})

test('that the group has caught up again is told to those who were given something meanwhile', async () => {
  const h = new Harness()
  const consumers = Array.from({ length: MANY }, (_, i) => h.consumer(`c${i}`, {}, { ack: true }))
  await h.time.run(100)
  expect(consumers.every(({ caughtUpAt }) => caughtUpAt.length === 1)).toBe(true)
  await h.produced(3)
  await h.time.run(10)
  expect(consumers.filter(({ caughtUpAt }) => caughtUpAt.length === 2)).toHaveLength(3)
  expect(consumers.filter(({ got }) => got.length > 0).every(({ caughtUpAt }) => caughtUpAt.length === 2)).toBe(true)
})

describe('a consumer who could take no more gets the next message', () => {
  const held = (consumer: Consumer) => consumer.held.slice(0, 1)
  const nack = { delayMs: 60_000, keepPlace: false, reason: '' }
  const nothing = () => undefined
  const WAYS: Readonly<Record<string, (h: Harness, consumer: Consumer) => unknown>> = {
    'when he acknowledges': (_h, consumer) => consumer.session.ack(1, held(consumer)),
    'when he gives back': (_h, consumer) =>
      consumer.session.nack(
        1,
        held(consumer).map((of) => ({ ...of, ...nack })),
      ),
    'when somebody acknowledges without a stream': (h, consumer) =>
      h.partition.settle({ type: 'ack', ...group, items: held(consumer) }, nothing),
    'when somebody gives back without a stream': (h, consumer) =>
      h.partition.settle({ type: 'nack', ...group, items: held(consumer).map((of) => ({ ...of, ...nack })) }, nothing),
    'when his lease runs out': (h) => h.time.run(15_100),
    'when he gives more credit': (_h, consumer) => consumer.session.addCredit(1),
  }

  test.each(Object.keys(WAYS))('%s', async (way) => {
    const h = new Harness()
    const consumers = ['a', 'b'].map((name) => h.consumer(name, { credit: 1 }))
    await h.time.run(10)
    await h.produced(2)
    await h.time.run(10)
    await h.produced(2)
    await h.time.run(10)
    expect(consumers.map(({ got }) => got.length)).toEqual([1, 1])
    for (const consumer of consumers) await WAYS[way]?.(h, consumer)
    await h.time.run(10)
    expect(consumers.map(({ got }) => got.length)).toEqual([2, 2])
  })
})

test('a thousand sessions that end, or hear that the group has caught up, do so a part at a time', async () => {
  const h = new Harness()
  let told = 0
  let most = 0
  const consumers = Array.from({ length: MANY }, (_, i) => h.consumer(`c${i}`))
  for (const consumer of consumers) consumer.caughtUp = () => told++
  const { endOfTurn } = h.env
  h.env.endOfTurn = (run) => {
    endOfTurn.call(h.env, () => {
      const before = told
      run()
      most = Math.max(most, told - before)
    })
  }
  await h.time.run(1000)
  expect([told, most]).toEqual([MANY, 128])
  const before = h.handle.proposed.length
  for (const consumer of consumers) consumer.session.close(true)
  await h.time.run(1000)
  const sizes = h.handle.proposed.slice(before).map(({ commands }) => commands.length)
  expect([Math.max(...sizes), view(h)?.sessionCount]).toEqual([128, 0])
})
