import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ClockInterval, clockVerdict } from '../../../src/replication/clocks/clock-verdict.ts'

/** Peers' clocks against the own one: where they are, or from where to where they may be. */
const judge = (peers: readonly (number | readonly [number, number])[], nodes = 3) =>
  clockVerdict({ peers: peers.map(interval), nodes, maxSkewMs: 2000 })
const interval = (at: number | readonly [number, number]): ClockInterval => {
  const [lowMs, highMs] = typeof at === 'number' ? [at, at] : at
  return { lowMs, highMs }
}
const verdict = (...of: Parameters<typeof judge>) => judge(...of).verdict

test('a clock near the median of three is fine', () => {
  expect(judge([500, -1000])).toEqual({ verdict: 'ok', offsetMs: 0 })
  expect(judge([-2000, -2000])).toEqual({ verdict: 'ok', offsetMs: 0 })
})

test('a clock further than the bound from the median is skewed, whichever way', () => {
  expect(judge([-2001, -2001])).toEqual({ verdict: 'skewed', offsetMs: 2001 })
  expect(judge([5000, 6000])).toEqual({ verdict: 'skewed', offsetMs: -5000 })
})

test('one wild peer does not make the others doubt themselves', () => {
  expect(verdict([100, 999_999])).toBe('ok')
})

test('with two clocks that differ nobody can tell who is wrong; two of three that agree are a majority', () => {
  expect(verdict([89_999])).toBe('unknown')
  expect(verdict([])).toBe('unknown')
  expect(verdict([1999])).toBe('ok')
  expect(verdict([1999], 5)).toBe('unknown')
})

test('three clocks of seven nodes are no majority, four are', () => {
  expect(verdict([-90_000, -90_000], 7)).toBe('unknown')
  expect(verdict([-90_000, -90_000, -90_000], 7)).toBe('skewed')
})

test('of an even number of clocks every place between the middle two is a median', () => {
  expect(verdict([-3000, -1000, 1000, 3500], 5)).toBe('ok')
  expect(verdict([-2000, -1900, 3000], 4)).toBe('ok')
  expect(verdict([-3000, -3000, 1000], 4)).toBe('unknown')
  expect(judge([-5000, -4100, -3000], 4)).toEqual({ verdict: 'skewed', offsetMs: 3000 })
})

test('of two halves that disagree neither is proven wrong: somebody must be left to lead', () => {
  const clocks = [0, 1000, -5000, -4100]
  for (const own of clocks) {
    const peers = clocks.filter((clock) => clock !== own).map((clock) => clock - own)
    expect(judge(peers, 4)).toEqual({ verdict: 'unknown', offsetMs: 0 })
    expect(verdict(peers, 5)).toBe('unknown')
  }
})

test('readings that may be old prove nothing, as long as the truth may lie within the bound', () => {
  expect(
    verdict([
      [-9000, 100],
      [-9500, 200],
    ]),
  ).toBe('unknown')
  expect(
    verdict([
      [-9000, Number.POSITIVE_INFINITY],
      [-9500, Number.POSITIVE_INFINITY],
    ]),
  ).toBe('unknown')
  expect(
    judge([
      [-9000, -2001],
      [-9500, -2500],
    ]),
  ).toEqual({ verdict: 'skewed', offsetMs: 2001 })
  expect(
    verdict([
      [3000, Number.POSITIVE_INFINITY],
      [2500, Number.POSITIVE_INFINITY],
    ]),
  ).toBe('skewed')
})

test('no verdict is wrong, wherever within the intervals the clocks are', () => {
  const reading = fc.tuple(fc.integer({ min: -9000, max: 9000 }), fc.nat(4000), fc.nat(4000))
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 6 }), fc.integer({ min: 0, max: 6 }), (readings, unheard) => {
      const nodes = readings.length + 1 + unheard
      const peers = readings.map(([at, below, above]) => ({ lowMs: at - below, highMs: at + above }))
      const told = clockVerdict({ peers, nodes, maxSkewMs: 2000 })
      const truth = clockVerdict({ peers: readings.map(([at]) => interval(at)), nodes, maxSkewMs: 2000 })
      if (told.verdict !== 'unknown') expect(told.verdict).toBe(truth.verdict)
      expect(Math.abs(told.offsetMs)).toBeLessThanOrEqual(Math.abs(truth.offsetMs))
    }),
  )
})
