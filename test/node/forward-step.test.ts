import { expect, test } from 'vitest'
import { confirmedWallMs } from '../../src/node/forward-step.ts'

const HOUR = 3_600_000
const peer = (offsetMs: number, ageMs = 100) => ({ offsetMs, ageMs })

test('a step that only this node made is not confirmed', () => {
  expect(confirmedWallMs(HOUR, [peer(-HOUR), peer(-HOUR)], 3)).toBe(0)
})

test('a step that one more of three made is confirmed as far as the lesser of the two', () => {
  expect(confirmedWallMs(HOUR, [peer(-20), peer(-HOUR)], 3)).toBe(HOUR - 20)
})

test('two clocks confirm nothing, nor does one not heard from lately', () => {
  expect(confirmedWallMs(HOUR, [peer(0)], 2)).toBeUndefined()
  expect(confirmedWallMs(HOUR, [peer(0), peer(0, 6000)], 3)).toBeUndefined()
})

test('of five nodes three must have reached it', () => {
  expect(confirmedWallMs(HOUR, [peer(0), peer(-HOUR), peer(-HOUR)], 5)).toBe(0)
})
