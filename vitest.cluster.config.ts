import { defineConfig } from 'vitest/config'
import { reporters } from './vitest.reporters.ts'

// Real processes: one file at a time, since each starts a cluster and measures time.
export default defineConfig({
  test: {
    ...reporters('cluster'),
    include: ['test/cluster/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    fileParallelism: false,
    pool: 'forks',
  },
})
