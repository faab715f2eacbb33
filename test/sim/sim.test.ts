/** The simulated cluster in small: a few seeds, twice the same, and every plan that once failed and was kept. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type CorePlan, runCorePlan } from './core-plan.ts'
import { FAULT_TYPES } from './fault-events.ts'
import { type Plan, planOf, runPlan } from './run-seed.ts'

const SEEDS = [40]
const KEPT = new URL('./regressions/', import.meta.url)

describe('a simulated cluster', () => {
  for (const seed of SEEDS) {
    test(`keeps every promise under seed ${seed}`, async () => {
      const result = await runPlan(planOf(seed))
      expect(result.finding).toBeUndefined()
      expect(result.stored).toBeGreaterThan(10)
    })
  }

  test('meets every kind of fault within the first fifty seeds, each in several of them', () => {
    const plans = Array.from({ length: 50 }, (_, at) => planOf(at + 1))
    const among = (has: (plan: Plan) => boolean) => plans.filter(has).length
    const drawn = [
      ...FAULT_TYPES.map((type) => [type, among(({ events }) => events.some((event) => event.type === type))] as const),
      ...(['loss', 'duplicate', 'reorder', 'delayMs', 'jitterMs'] as const).map(
        (what) => [what, among(({ swarm }) => swarm.network[what] > 0)] as const,
      ),
      ...(['near', 'wild'] as const).map((what) => [what, among(({ swarm }) => swarm.clocks === what)] as const),
      ['tiny snapshots', among(({ swarm }) => swarm.limits.snapshotChunkBytes === 300)] as const,
      ['five nodes', among(({ swarm }) => swarm.nodes === 5)] as const,
      ['several groups', among(({ swarm }) => swarm.partitions > 1)] as const,
    ]
    expect(drawn.filter(([, seeds]) => seeds < 4)).toEqual([])
  })

  test('does the same twice under the same seed, and something else under another', async () => {
    const [first, second, other] = [await runPlan(planOf(9)), await runPlan(planOf(9)), await runPlan(planOf(10))]
    expect(second.traceHash).toBe(first.traceHash)
    expect(other.traceHash).not.toBe(first.traceHash)
  })

  test('notices a log that is not synced', async () => {
    const plan = planOf(2)
    const cut = { type: 'powerCutAll', node: 1, partition: 0, ms: 50, amount: 0 } as const
    const events = [1000, 1500, 2000, 2500].map((atMs) => ({ ...cut, atMs }))
    const kinds: unknown[] = []
    for (const fsync of [true, false]) {
      const swarm = { ...plan.swarm, disk: { ...plan.swarm.disk, fsync } }
      kinds.push((await runPlan({ seed: 2, swarm, events })).finding?.kind)
    }
    expect(kinds[0]).toBeUndefined()
    expect(kinds[1]).toMatch(/Lost|damage|fatal|lost/)
  })
})

describe('a plan that once failed runs well', () => {
  for (const name of readdirSync(KEPT).filter((name) => name.endsWith('.json'))) {
    test(name.slice(0, -'.json'.length).replaceAll('-', ' '), async () => {
      const plan = JSON.parse(readFileSync(new URL(name, KEPT), 'utf8')) as Plan | CorePlan
      const { finding } = 'core' in plan ? runCorePlan(plan) : await runPlan(plan)
      expect(finding).toBeUndefined()
    })
  }
})
