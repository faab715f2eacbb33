import { afterAll, beforeAll, expect, test } from 'vitest'
import { seededRandom } from '../storage/simulated-disk.ts'
import { DamageRun } from './damage-run.ts'

const CASES = 60

let run: DamageRun | undefined

beforeAll(async () => {
  run = await DamageRun.begin()
})
afterAll(() => run?.end())

/** The first of those that `npm run damage` tries by the thousand. */
test('damage of a data folder is named, or lies where it cannot be told from a torn write or means nothing', async () => {
  const count = { named: 0, unused: 0, torn: 0, unchanged: 0, failed: 0 }
  const errors: string[] = []
  await Promise.all(
    Array.from({ length: CASES }, async (_, n) => {
      const outcome = await run?.case(seededRandom(1_000_003 + n))
      if (outcome === undefined) return
      count[outcome.verdict]++
      if (outcome.error !== undefined) errors.push(`${outcome.name}: ${outcome.error}`)
    }),
  )
  expect(errors).toEqual([])
  expect(count.named).toBeGreaterThan(CASES / 2)
}, 60_000)
