/**
 * What a run of tests came to, written by a reporter inside the test process (vitest.mutants.config.ts) and read by the
 * runner. Says how each test failed, since a crash or a timeout proves less than an assertion.
 */
import { writeFileSync } from 'node:fs'
import type { Reporter, TestCase } from 'vitest/node'
import { type Killer, titlePattern } from './mutant.ts'

export interface TestOutcome {
  readonly file: string
  readonly test: string
  readonly state: 'passed' | 'assertion' | 'error'
  /** First line of what failed; empty if nothing did. */
  readonly message: string
}

export interface Outcomes {
  /** Only of tests that ran. */
  readonly tests: readonly TestOutcome[]
  /** Files that could not be loaded, and errors outside of tests. */
  readonly errors: readonly string[]
}

/** Our own words for a broken invariant: of the code, and of the simulators' checkers. */
const ASSERTIONS = new Set(['AssertionError', 'InvariantError', 'Violation'])

interface Failure {
  readonly name?: string | undefined
  readonly message: string
  readonly stack?: string | undefined
  readonly cause?: unknown
}

/** Writes the outcomes to `path` when all tests have run. */
export function outcomesReporter(path: string): Reporter {
  return {
    onTestRunEnd(modules, unhandled) {
      const tests = modules.flatMap((module) => [...module.children.allTests()].flatMap(outcomeOf))
      const errors = [...modules.flatMap((module) => module.errors()), ...unhandled].map(({ message }) => message)
      writeFileSync(path, JSON.stringify({ tests, errors } satisfies Outcomes))
    },
  }
}

/** Outcomes of the tests that `killer` names. */
export function outcomesOf({ tests }: Outcomes, killer: Killer): readonly TestOutcome[] {
  const title = new RegExp(`^${titlePattern(killer.test)}$`)
  return tests.filter(({ file, test }) => file === killer.file && title.test(test))
}

function outcomeOf(test: TestCase): TestOutcome[] {
  const { state, errors = [] } = test.result()
  if (state !== 'passed' && state !== 'failed') return []
  const file = test.module.relativeModuleId.replace(/^test\//, '')
  const asserted = errors.find((error) => isAssertion(error))
  const message = (asserted ?? errors[0])?.message.split('\n')[0] ?? ''
  const outcome = state === 'passed' ? 'passed' : asserted === undefined ? 'error' : 'assertion'
  return [{ file, test: test.name, state: outcome, message }]
}

/** Also if a property test or a seed's report carries the assertion as its cause. */
function isAssertion(failure: Failure): boolean {
  if (ASSERTIONS.has(failure.name ?? '') || (failure.stack ?? '').includes('@vitest/expect/')) return true
  const { cause } = failure
  return typeof cause === 'object' && cause !== null && 'message' in cause && isAssertion(cause as Failure)
}
