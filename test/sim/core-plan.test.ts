/** Runs of the core from a list of what happens: the whole list is the seed's own run, and a shorter one still a run. */
import { expect, test } from 'vitest'
import { runCorePlan, runCoreSeed } from './core-plan.ts'
import { CORE_CALMER, Shrinker } from './shrink.ts'

const SEEDS = Array.from({ length: 30 }, (_, at) => at + 1)

test('what a seed drew, run again from the list, goes the same way', () => {
  for (const seed of SEEDS) {
    const { plan, traceHash, finding } = runCoreSeed(seed)
    expect(finding).toBeUndefined()
    expect(plan.events.length).toBeGreaterThan(0)
    expect({ seed, traceHash: runCorePlan(JSON.parse(JSON.stringify(plan))).traceHash }).toEqual({ seed, traceHash })
  }
})

test('any part of what a seed drew keeps the promises too', () => {
  for (const seed of SEEDS) {
    const { plan } = runCoreSeed(seed)
    for (const rest of [0, 1, 2]) {
      const events = plan.events.filter((_, at) => at % 3 !== rest)
      expect({ seed, finding: runCorePlan({ ...plan, events }).finding }).toEqual({ seed, finding: undefined })
    }
  }
})

test('the number of nodes is as asked for', () => {
  expect([3, 5].map((nodes) => runCoreSeed(1, nodes).plan.swarm.nodes)).toEqual([3, 5])
  expect(runCoreSeed(1, 3).traceHash).not.toBe(runCoreSeed(1, 5).traceHash)
})

test('every kind of event is drawn within a hundred seeds', () => {
  const seeds = Array.from({ length: 100 }, (_, at) => runCoreSeed(at + 1).plan.events)
  expect(new Set(seeds.flatMap((events) => events.map(({ type }) => type)))).toEqual(
    new Set([
      ...['propose', 'read', 'checkpoint', 'crash', 'cut', 'mend', 'transfer', 'changeConf'],
      ...['campaign', 'forgetLeader', 'leaderUnreachable', 'staysDown', 'stall'],
    ]),
  )
})

test('a plan shrinks to the events without which it does not fail, and to a calm cluster', async () => {
  const { plan } = runCoreSeed(7)
  const needed = [plan.events[3], plan.events[plan.events.length - 2]]
  const fails = async (tried: typeof plan) =>
    needed.every((event) => event !== undefined && tried.events.includes(event))
  const small = await new Shrinker(plan, { calmer: CORE_CALMER, fails, triesMax: 1000 }).run()
  expect(small.events).toEqual(needed)
  expect(small.swarm).toMatchObject({ loss: 0, duplicate: 0, diskMs: 0 })
})
