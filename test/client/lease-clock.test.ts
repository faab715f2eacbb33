/** How long a client counts a lease as its own. */
import { expect, test } from 'vitest'
import { LeaseClock } from '../../src/client/lease-clock.ts'

test('a lease counts from when the mark it names was sent, also after newer echoes', () => {
  const clock = new LeaseClock()
  clock.begin(0)
  for (const sentMs of [500, 1000, 1500]) clock.echo(clock.mark(sentMs))
  expect([1, 2, 3].map((mark) => clock.leaseFrom(mark))).toEqual([500, 1000, 1500])
  expect(clock.confirmedAt).toBe(1500)
})

test('a lease with no mark, one of an older stream or one long forgotten counts from the begin of the stream', () => {
  const clock = new LeaseClock()
  clock.begin(0)
  clock.echo(clock.mark(100))
  clock.begin(1000)
  expect(clock.leaseFrom(0)).toBe(1000)
  expect(clock.leaseFrom(1)).toBe(1000)
  for (let n = 0; n < 200; n++) clock.echo(clock.mark(2000 + n))
  expect(clock.leaseFrom(2)).toBe(1000)
  expect(clock.leaseFrom(201)).toBe(2199)
})
