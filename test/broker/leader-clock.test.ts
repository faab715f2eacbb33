import { expect, test } from 'vitest'
import { LeaderClock } from '../../src/broker/leader-clock.ts'
import { VirtualTime } from '../virtual-env.ts'

const HOUR = 3_600_000

function clockOf(lastAt = 0) {
  const time = new VirtualTime()
  const env = time.env()
  return { time, env, clock: new LeaderClock(env, lastAt, () => env.wallMs()) }
}

test('a new leader begins at the wall clock, or at the last stamp of the view if that is later', () => {
  const { clock, env } = clockOf()
  expect(clock.now()).toBe(env.wallMs())
  const ahead = clockOf(env.wallMs() + 5000)
  expect(ahead.clock.now()).toBe(env.wallMs() + 5000)
})

test('with a true wall clock leader time is the wall clock', async () => {
  const { clock, time, env } = clockOf()
  await time.run(12_345)
  expect(clock.now()).toBe(env.wallMs())
  expect(clock.gapMs()).toBe(0)
})

test('a wall clock set back an hour neither turns leader time back nor slows it noticeably', async () => {
  const { clock, time, env } = clockOf()
  const start = clock.now()
  env.wallOffsetMs = -HOUR
  expect(clock.now()).toBe(start)
  await time.run(10_000)
  expect(clock.now() - start).toBeGreaterThanOrEqual(9900)
  expect(clock.now() - start).toBeLessThanOrEqual(10_000)
})

test('a wall clock set ahead is followed at most ten per cent faster, until it is reached', async () => {
  const { clock, time, env } = clockOf()
  const start = clock.now()
  env.wallOffsetMs = 1000
  expect(clock.now()).toBe(start)
  await time.run(1000)
  expect(clock.now() - start).toBe(1100)
  expect(clock.gapMs()).toBe(900)
  await time.run(100_000)
  expect(clock.now()).toBe(env.wallMs())
})

test('leader time never goes back while the wall clock jumps about', async () => {
  const { clock, time, env } = clockOf()
  let last = clock.now()
  for (let i = 0; i < 200; i++) {
    env.wallOffsetMs = Math.floor((time.random() - 0.5) * 2 * HOUR)
    const stepMs = time.random() * 50
    await time.run(stepMs)
    const now = clock.now()
    expect(now).toBeGreaterThanOrEqual(last)
    expect(now - last).toBeLessThanOrEqual(stepMs * 1.1 + 1)
    last = now
  }
})

test('a forward step that the peers confirm is followed at once, but never beyond the own wall clock', () => {
  const { clock, env } = clockOf()
  const start = clock.now()
  clock.followForwardStep(start + HOUR)
  expect(clock.now()).toBe(start)
  env.wallOffsetMs = HOUR / 2
  clock.followForwardStep(start + HOUR)
  expect(clock.now()).toBe(start + HOUR / 2)
  clock.followForwardStep(start)
  expect(clock.now()).toBe(start + HOUR / 2)
})

test('a timer for a time ahead is set so that it is never late by more than the slew', async () => {
  const { clock, time, env } = clockOf()
  env.wallOffsetMs = HOUR
  const target = clock.now() + 1100
  await time.run(clock.waitMs(target))
  expect(clock.now()).toBeGreaterThanOrEqual(target - 1)
  expect(clock.now()).toBeLessThanOrEqual(target + 1)
  expect(clock.waitMs(clock.now())).toBe(0)
})
