import { expect, test } from 'vitest'
import { Cluster } from './cluster.ts'

const FAULTS_MS = 4000
const SEEDS = 400
/** RAFT_SEED=n runs one seed alone, with its options in view. */
const ONLY = process.env.RAFT_SEED

function runSeed(seed: number): number {
  const cluster = new Cluster(seed)
  try {
    cluster.run(FAULTS_MS)
  } catch (error) {
    throw new Error(
      `seed ${seed} (RAFT_SEED=${seed} npx vitest run test/raft/simulation): ${JSON.stringify(cluster.swarm)}`,
      {
        cause: error,
      },
    )
  }
  return cluster.progress
}

test('no seed breaks an invariant of figure 3, and every healed cluster makes progress', { timeout: 120_000 }, () => {
  const seeds = ONLY === undefined ? Array.from({ length: SEEDS }, (_, at) => at + 1) : [Number(ONLY)]
  const progress = seeds.map(runSeed)
  const total = progress.reduce((sum, one) => sum + one, 0)
  expect(total / seeds.length).toBeGreaterThan(5)
})
