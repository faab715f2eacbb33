import { defineConfig } from 'vitest/config'
import { reporters } from './vitest.reporters.ts'

// Needs gcc, libfaketime, promtool and the right to user and mount namespaces; their absence is a failure, not a skip.
export default defineConfig({
  test: {
    ...reporters('system'),
    include: ['test/system/**/*.test.ts'],
    testTimeout: 600_000,
    hookTimeout: 60_000,
    fileParallelism: false,
    pool: 'forks',
  },
})
