import { defineConfig } from 'vitest/config'
import { reporters } from './vitest.reporters.ts'

// Unit tests: no process, no socket, no sleep. Cluster and system tests have configurations of their own.
export default defineConfig({
  test: {
    ...reporters('unit'),
    include: ['test/**/*.test.ts'],
    exclude: ['test/cluster/**', 'test/system/**'],
    // A deadline, not a measure: the longest takes 18 s of a machine that is ten times overloaded.
    testTimeout: 60_000,
    pool: 'threads',
  },
})
