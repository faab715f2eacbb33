/** How far a peer's clock is off, as far as frames between two nodes can prove it. */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { PeerClocks } from '../../../src/replication/clocks/peer-clocks.ts'
import { VirtualTime } from '../../virtual-env.ts'

const A = 1
const B = 2
const AGE_MAX_MS = 5000
const HOUR = 3_600_000

/** Two nodes; the wall clock of B is `offMs` from that of A, and frames take as long as they are told to. */
function pair(offMs: number) {
  const time = new VirtualTime()
  const [aEnv, bEnv] = [time.env(), time.env()]
  bEnv.wallOffsetMs = offMs
  const nodes = { a: new PeerClocks(aEnv, A), b: new PeerClocks(bEnv, B) }
  const ask = (travelMs: number) => {
    const clock = nodes.a.of(B)
    time.after(travelMs, () => nodes.b.note(A, clock))
  }
  const answer = (travelMs: number) => {
    const clock = nodes.b.of(A)
    time.after(travelMs, () => nodes.a.note(B, clock))
  }
  const interval = () => nodes.a.intervals(new Set([B]))[0]
  return { time, nodes, bEnv, ask, answer, interval }
}

test('a frame that answers none says only what the clock has reached', async () => {
  const { time, answer, interval } = pair(-500)
  expect(interval()).toBeUndefined()
  answer(40)
  await time.run(40)
  expect(interval()).toEqual({ lowMs: -540, highMs: Number.POSITIVE_INFINITY })
})

test('one that answers says within what both were on the way, however long the answer was held', async () => {
  const { time, ask, answer, interval } = pair(-500)
  ask(7)
  await time.run(2007)
  answer(40)
  await time.run(40)
  expect(interval()).toEqual({ lowMs: -540, highMs: -492 })
})

test('the truth is within the interval, whatever frames were on the way for how long', () => {
  const travel = fc.nat(12_000)
  const step = fc.record({ asks: fc.boolean(), travel, pause: fc.nat(3000) })
  return fc.assert(
    fc.asyncProperty(fc.integer({ min: -9000, max: 9000 }), fc.array(step, { maxLength: 30 }), async (offMs, steps) => {
      const { time, ask, answer, interval } = pair(offMs)
      for (const { asks, travel, pause } of steps) {
        if (asks) ask(travel)
        else answer(travel)
        await time.run(pause)
        const { lowMs, highMs } = interval() ?? { lowMs: offMs, highMs: offMs }
        expect(lowMs).toBeLessThanOrEqual(offMs)
        expect(highMs).toBeGreaterThanOrEqual(offMs)
      }
    }),
    { numRuns: 200 },
  )
})

test('a frame that waited does not widen what was known a moment ago, but what contradicts it counts at once', async () => {
  const { time, bEnv, ask, answer, interval } = pair(0)
  ask(1)
  await time.run(2)
  answer(1)
  answer(400)
  await time.run(1)
  const narrow = interval()
  await time.run(400)
  expect(interval()).toEqual(narrow)
  bEnv.wallOffsetMs = -5000
  answer(300)
  await time.run(300)
  expect(interval()?.highMs).toBeLessThan(-4000)
})

test('an answer to a process that was here before says no more than one to nobody', async () => {
  const { time, nodes, ask, answer, interval } = pair(0)
  ask(1)
  await time.run(2)
  nodes.a = new PeerClocks(time.env(), A)
  answer(1)
  await time.run(1)
  expect(interval()?.highMs).toBeGreaterThan(HOUR)
})

test('a clock not heard from for long is not known', async () => {
  const { time, answer, interval } = pair(0)
  answer(1)
  await time.run(1 + AGE_MAX_MS)
  expect(interval()).toBeDefined()
  await time.run(1)
  expect(interval()).toBeUndefined()
})
