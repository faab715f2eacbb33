/** Room for deliveries on their way: a bound of the node, in which everybody gets a turn. */
import { expect, test } from 'vitest'
import { DEAL_BYTES } from '../../../src/broker/dispatcher/deals/deal.ts'
import { FlightRoom } from '../../../src/broker/dispatcher/memory/flight-room.ts'
import { Harness } from '../harness.ts'

test('who finds no room is woken in order, as many as may find some', () => {
  const room = new FlightRoom(2 * DEAL_BYTES)
  const woken: number[] = []
  room.take(DEAL_BYTES)
  room.take(DEAL_BYTES)
  expect(room.full).toBe(true)
  for (let i = 0; i < 5; i++) room.wait(() => woken.push(i))
  room.give(DEAL_BYTES)
  expect(woken).toEqual([0, 1])
  room.take(DEAL_BYTES)
  room.give(DEAL_BYTES)
  room.give(DEAL_BYTES)
  expect(woken).toEqual([0, 1, 2, 3, 4])
})

test('without a quorum the deliveries of many groups stay within the bound of the node; then all of them go out', async () => {
  const h = new Harness({ memory: { flightBytes: 1_000_000 } })
  await h.produced(40, { body: Buffer.alloc(10_000) })
  h.handle.manual = true
  const consumers = Array.from({ length: 20 }, (_, i) => h.consumer('c', { group: `g${i}` }))
  await h.time.run(1)
  h.handle.applyNext()
  await h.time.run(100)
  expect(h.memory.flights.full).toBe(true)
  expect(h.memory.flights.bytes).toBeLessThan(1_000_000 + 40 * 10_000 + 1000)
  h.handle.manual = false
  h.handle.applyNext()
  await h.time.run(100)
  expect(consumers.map(({ got }) => got.length)).toEqual(Array(20).fill(40))
  expect(h.memory.flights.bytes).toBe(0)
})

test('a leadership that ends gives everything back', async () => {
  const h = new Harness()
  await h.produced(100, { body: Buffer.alloc(10_000) })
  h.consumer('a', { credit: 10 })
  await h.time.run(10)
  h.handle.manual = true
  h.consumer('b', { group: 'other' })
  await h.time.run(10)
  h.handle.applyNext()
  await h.time.run(10)
  expect(h.memory.lookAhead.bytes).toBeGreaterThan(500_000)
  h.handle.change({ role: 'follower', ready: false })
  h.handle.loseWaiting()
  await h.time.run(10)
  expect([h.memory.lookAhead.bytes, h.memory.flights.bytes]).toEqual([0, 0])
})
