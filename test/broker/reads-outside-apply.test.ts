/** What is read outside apply is read later, in bounds, and damage is told where it is met: nothing throws out of a turn. */
import { describe, expect, test } from 'vitest'
import { describeGroup, fetchMessages, getMessage } from '../../src/broker/reads.ts'
import { decodeTimerCommand } from '../../src/views/timer/codec.ts'
import type { Position } from '../../src/views/timer/commands.ts'
import { messageKey, TAG } from '../../src/views/timer/keys.ts'
import type { Consumer } from './harness.ts'
import { Harness } from './harness.ts'
import type { SlowReader } from './slow-reader.ts'

const NAME = { channel: 'master', group: 'g' }

interface Scene {
  readonly h: Harness
  readonly reader: SlowReader
  readonly positions: readonly Position[]
}

/** `count` messages, all of them given back by a consumer that is gone. */
async function givenBack(count: number): Promise<Scene> {
  const h = new Harness()
  const reader = h.slowReader()
  const first = h.consumer('first', { credit: count })
  const positions = await h.produced(count)
  await h.time.until(() => first.got.length === count)
  first.session.close(true)
  await h.time.run(10)
  expect(h.handle.view.group(NAME)).toMatchObject({ leased: 0, waiting: count })
  return { h, reader, positions }
}

function keyOf({ due, index }: Position): string {
  return messageKey(0, due, index)
}

/** Indexes named as redeliveries by commands proposed so far. */
function proposedAgain({ h }: Scene): number[] {
  const commands = h.handle.proposed.flatMap(({ commands }) => commands.map(decodeTimerCommand))
  return commands.flatMap((command) =>
    command.type === 'deliver' ? command.runs.flatMap(({ again }) => [...again]) : [],
  )
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}

describe('a redelivery', () => {
  test('is leased only once its body has been read, and goes before what is new', async () => {
    const scene = await givenBack(10)
    const { h, reader } = scene
    const consumer = h.consumer('second')
    consumer.full = true
    await h.time.run(10)
    // What is new is at hand from now on, what is given back is not.
    reader.hold()
    await h.produced(5)
    consumer.full = false
    consumer.session.drained()
    await h.time.run(1000)
    expect(reader.asked).toEqual([10])
    expect([proposedAgain(scene), consumer.got, h.handle.view.group(NAME)?.leased]).toEqual([[], [], 0])
    reader.release()
    await h.time.run(10)
    expect(consumer.indexes).toEqual(numbers(1, 15))
  })

  test('whose body cannot be read is not leased; the others go out, and new ones', async () => {
    const { h, reader, positions } = await givenBack(10)
    for (const position of positions.slice(2, 5)) reader.damaged.add(keyOf(position))
    const consumer = h.consumer('second')
    await h.time.run(1000)
    const rest = [1, 2, 6, 7, 8, 9, 10]
    expect(consumer.indexes).toEqual(rest)
    expect(h.handle.view.group(NAME)).toMatchObject({ leased: 7, waiting: 3 })
    expect(h.events.filter(({ type }) => type === 'readFailed')).toMatchObject([{ error: { reason: 'INTERNAL' } }])
    await h.produced(2)
    await h.time.run(10)
    expect(consumer.indexes).toEqual([...rest, 11, 12])
    // One that is given back later does not hide behind those.
    const [held] = consumer.held
    if (held !== undefined) consumer.session.nack(1, [{ ...held, delayMs: 5000, keepPlace: false, reason: '' }])
    await h.time.run(6000)
    expect(consumer.indexes).toEqual([...rest, 11, 12, 1])
  })

  test('that lies cold in a block that cannot be read holds up none that is in memory', async () => {
    const h = new Harness()
    const reader = h.slowReader()
    const consumer = h.consumer('a', { credit: 100_000, leaseMs: 3_600_000 })
    for (let i = 0; i < 20; i++) await h.produced(1000)
    await h.time.until(() => consumer.got.length === 20_000)
    const items = consumer.held.map((held) => ({ ...held, delayMs: 1000 + held.index, keepPlace: false, reason: '' }))
    for (let i = 0; i < items.length; i += 1000) consumer.session.nack(1, items.slice(i, i + 1000))
    await h.time.run(10)
    const cold = [...h.handle.store.rows.keys()].filter((key) => key.startsWith(TAG.coldBlock))
    expect(cold.length).toBeGreaterThan(2)
    reader.damaged.add(cold[0] ?? '')
    reader.hold()
    await h.time.run(100)
    reader.release()
    consumer.got.length = 0
    await h.time.run(30_000)
    expect(new Set(consumer.indexes).size).toBeGreaterThan(8192)
    expect(new Set(consumer.indexes).size).toBeLessThan(20_000)
    expect(h.events).toContainEqual(expect.objectContaining({ type: 'readFailed' }))
  })

  test('of thousands: one read at a time, of a bounded number of rows', async () => {
    const scene = await givenBack(5000)
    const { h, reader } = scene
    const consumer = h.consumer('second', { credit: 5000 })
    await h.time.run(0)
    for (reader.hold(); consumer.got.length < 5000; reader.release(), reader.hold()) {
      await h.time.run(1)
      expect(reader.held).toBeLessThanOrEqual(1)
    }
    expect(Math.max(...reader.asked)).toBeLessThanOrEqual(512)
    expect(reader.asked.reduce((sum, rows) => sum + rows, 0)).toBe(5000)
    expect(consumer.indexes).toEqual(numbers(1, 5000))
  })

  test('that waits for those in flight is not read over and over', async () => {
    const { h, reader } = await givenBack(200)
    h.consumer('second', { credit: 150 })
    h.handle.manual = true
    await h.time.run(1)
    h.handle.applyNext()
    await h.time.run(50)
    const third = h.consumer('third', { credit: 10 })
    h.handle.applyNext(1)
    const { length } = reader.asked
    await h.time.run(1000)
    expect(reader.asked.length).toBeLessThanOrEqual(length + 2)
    h.handle.manual = false
    h.handle.applyNext()
    await h.time.run(10)
    expect(third.got).toHaveLength(10)
  })
})

test('a window that cannot be read is tried again at intervals, and what is in memory goes on', async () => {
  const h = new Harness()
  const reader = h.slowReader()
  const [position] = await h.produced(1)
  if (position === undefined) throw new Error('one was produced')
  reader.damaged.add(keyOf(position))
  const other = h.consumer('other', { channel: 'else' })
  const consumer: Consumer = h.consumer('a')
  for (let i = 0; i < 20; i++) {
    await h.produced(1, { channel: 'else' })
    await h.time.run(50)
  }
  expect([consumer.got.length, other.got.length]).toEqual([0, 20])
  expect(reader.scans.length).toBeLessThanOrEqual(8)
  reader.damaged.clear()
  await h.time.run(300)
  expect(consumer.got).toHaveLength(1)
})

describe('of the read methods', () => {
  test('a group is described without reading a body', async () => {
    const h = new Harness()
    const reader = h.slowReader()
    await h.produced(3000, { body: new Uint8Array(1000) })
    await h.produced(500, { delayMs: 60_000 })
    const consumer = h.consumer('a', { credit: 10 })
    await h.time.run(10)
    consumer.session.close(true)
    await h.time.run(10)
    const { length } = reader.scans
    const described = await h.time.during(describeGroup(h.partition, NAME))
    expect(described).toMatchObject({ leased: 0, waiting: 10, due: 2990 })
    expect([reader.scans.length, reader.counts]).toEqual([length, 1])
  })

  test('one message and many are refused as damaged, and found when they are not', async () => {
    const h = new Harness()
    const reader = h.slowReader()
    const [first, second] = await h.produced(2)
    if (first === undefined || second === undefined) throw new Error('two were produced')
    reader.damaged.add(keyOf(first))
    await expect(h.time.during(getMessage(h.partition, first))).rejects.toMatchObject({ reason: 'INTERNAL' })
    expect(await h.time.during(getMessage(h.partition, second))).toMatchObject({ message: second, state: 'due' })
    const fetch = (from: Position) => h.time.during(fetchMessages(h.partition, { channel: 'master', from, limit: 5 }))
    await expect(fetch(first)).rejects.toMatchObject({ reason: 'INTERNAL' })
    expect((await fetch(second)).messages).toMatchObject([second])
  })

  test('a message counts as fired once any group has passed it', async () => {
    const h = new Harness()
    const [first, second] = await h.produced(2)
    if (first === undefined || second === undefined) throw new Error('two were produced')
    h.consumer('a', { credit: 1 })
    h.consumer('b', { credit: 0, group: 'other' })
    await h.time.run(10)
    expect((await getMessage(h.partition, first)).state).toBe('fired')
    expect((await getMessage(h.partition, second)).state).toBe('due')
  })
})

test('a window that is full of large messages is not read on until some of them have gone', async () => {
  const h = new Harness()
  const reader = h.slowReader()
  const consumer = h.consumer('a', { credit: 1000, leaseMs: 600_000 })
  for (let i = 0; i < 40; i++) await h.produced(1, { body: new Uint8Array(1_000_000), delayMs: 10_000 + i })
  const { length } = reader.scans
  for (let i = 0; i < 200; i++) await h.time.run(1)
  expect(reader.scans.length - length).toBeLessThanOrEqual(20)
  await h.time.run(11_000)
  expect(consumer.indexes).toEqual(numbers(1, 40))
})
