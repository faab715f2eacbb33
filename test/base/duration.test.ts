import { expect, test } from 'vitest'
import { parseDuration, parseSize } from '../../src/base/duration.ts'

test.each([
  ['250ms', 250],
  ['10s', 10_000],
  ['1.5s', 1500],
  ['2h', 7_200_000],
  ['3d', 259_200_000],
  ['0', 0],
  ['10', undefined],
  ['-1s', undefined],
  ['s', undefined],
  [`${'9'.repeat(400)}d`, undefined],
])('the duration %s is %s ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
})

test.each([
  ['1000', 1000],
  ['64MiB', 64 * 2 ** 20],
  ['1kb', 1000],
  ['1x', undefined],
  ['9007199254740992', undefined],
])('the size %s is %s bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes)
})
