import { expect, test } from 'vitest'
import { clockVerdict } from '../../src/replication/clock-verdict.ts'

const judge = (ownMs: number, peersMs: number[], nodes = 3) => clockVerdict({ ownMs, peersMs, nodes, maxSkewMs: 2000 })

test('a clock near the median of three is fine', () => {
  expect(judge(10_000, [10_500, 9_000])).toEqual({ verdict: 'ok', offsetMs: 0 })
  expect(judge(12_000, [10_000, 10_000])).toEqual({ verdict: 'ok', offsetMs: 2000 })
})

test('a clock further than the bound from the median is skewed, whichever way', () => {
  expect(judge(12_001, [10_000, 10_000])).toEqual({ verdict: 'skewed', offsetMs: 2001 })
  expect(judge(5_000, [10_000, 11_000])).toEqual({ verdict: 'skewed', offsetMs: -5000 })
})

test('one wild peer does not make the others doubt themselves', () => {
  expect(judge(10_000, [10_100, 999_999]).verdict).toBe('ok')
})

test('with two clocks nobody can tell who is wrong', () => {
  expect(judge(10_000, [99_999])).toEqual({ verdict: 'unknown', offsetMs: 0 })
  expect(judge(10_000, [])).toEqual({ verdict: 'unknown', offsetMs: 0 })
})

test('three clocks of seven nodes are no majority, four are', () => {
  expect(judge(99_999, [10_000, 10_000], 7).verdict).toBe('unknown')
  expect(judge(99_999, [10_000, 10_000, 10_000], 7).verdict).toBe('skewed')
})

test('of an even number of clocks the median lies between the middle two', () => {
  expect(judge(13_000, [10_000, 12_000, 14_000], 4)).toEqual({ verdict: 'ok', offsetMs: 500 })
})
