/** The wall clock of a group: the own one, as far as a majority of its voters' clocks bears it out. */
import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { ClockJudge } from '../../../src/replication/clocks/clock-judge.ts'
import { GroupClock } from '../../../src/replication/clocks/group-clock.ts'
import { PeerClocks } from '../../../src/replication/clocks/peer-clocks.ts'
import { VirtualTime } from '../../virtual-env.ts'

const HOUR = 3_600_000
const SKEW = 2000

/** Node 1's clock in a group on `nodes`, having just heard from peers whose clocks are off by so much. */
function groupClock(nodes: readonly NodeId[], peers: Readonly<Record<NodeId, number>>) {
  const time = new VirtualTime()
  const env = time.env()
  const clocks = new PeerClocks(env, 1)
  const hear = () => {
    for (const [node, offMs] of Object.entries(peers))
      clocks.note(Number(node), { wallMs: time.startMs + time.nowMs + offMs, stamp: 0 })
  }
  hear()
  const clock = new GroupClock({ env, clocks, maxSkewMs: SKEW, nodes: () => nodes })
  const offMs = () => clock.wallMs() - time.startMs - time.nowMs
  return { time, env, clocks, hear, offMs }
}

test('is the own clock within the allowed distance of the others', () => {
  const { env, offMs } = groupClock([1, 2, 3], { 2: 100, 3: -100 })
  for (const own of [0, 1999, -1800]) {
    env.wallOffsetMs = own
    expect(offMs()).toBe(own)
  }
})

test('stops at the allowed distance from what a majority shows, at once when the own clock steps', () => {
  const { env, offMs } = groupClock([1, 2, 3], { 2: 0, 3: 0 })
  expect(offMs()).toBe(0)
  env.wallOffsetMs = 2 * HOUR
  expect(offMs()).toBe(SKEW)
  env.wallOffsetMs = -2 * HOUR
  expect(offMs()).toBe(-SKEW)
})

test('with two of three clocks the earlier one bounds the later one: a wrong clock ahead cannot win alone', () => {
  const { env, offMs } = groupClock([1, 2, 3], { 2: 0 })
  env.wallOffsetMs = HOUR
  expect(offMs()).toBe(SKEW)
})

test('one peer that is hours ahead moves nobody, a majority does', () => {
  expect(groupClock([1, 2, 3], { 2: HOUR, 3: 0 }).offMs()).toBe(0)
  expect(groupClock([1, 2, 3], { 2: HOUR, 3: HOUR }).offMs()).toBe(HOUR - SKEW)
  expect(groupClock([1, 2, 3, 4, 5], { 2: HOUR, 3: HOUR, 4: 0 }).offMs()).toBe(0)
})

test('only voters count, and a clock not heard from for long does not', async () => {
  const { time, env, offMs, hear } = groupClock([1, 2, 3], { 2: 0, 4: 0, 5: 0 })
  env.wallOffsetMs = HOUR
  expect(offMs()).toBe(SKEW)
  await time.run(6000)
  expect(offMs()).toBe(HOUR)
  hear()
  await time.run(200)
  expect(offMs()).toBe(SKEW)
})

test('a node alone has only its own clock', () => {
  const { env, offMs } = groupClock([1], {})
  env.wallOffsetMs = HOUR
  expect(offMs()).toBe(HOUR)
})

test('a step of the own clock shows in the next judgement, not only after the next frame', () => {
  const { env, clocks } = groupClock([1, 2, 3], { 2: 0, 3: 0 })
  const judge = new ClockJudge(clocks, SKEW)
  env.wallOffsetMs = -HOUR
  expect(judge.judge(new Set([2, 3]))).toEqual({ verdict: 'skewed', offsetMs: -HOUR })
  expect(clocks.all().get(2)).toEqual({ offsetMs: HOUR, ageMs: 0 })
})
