import { defineConfig } from 'vitest/config'
import { outcomesReporter } from './test/mutants/outcomes.ts'
import unit from './vitest.config.ts'

// The unit tests as `npm run mutants` runs them: outcomes go to the file named by MUTANT_OUTCOMES.
export default defineConfig({
  test: { ...unit.test, reporters: [outcomesReporter(process.env.MUTANT_OUTCOMES ?? 'outcomes.json')], cache: false },
})
