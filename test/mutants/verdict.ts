/**
 * The verdict on a mutant. Killed means that every test named for it failed with an assertion; one that passed lets it
 * survive; anything else (it did not load, crashed, ran into a timeout, ran no test) proves nothing and is invalid.
 */
import type { Killer, Mutant } from './mutant.ts'
import { type Outcomes, outcomesOf, type TestOutcome } from './outcomes.ts'

export interface Verdict {
  readonly type: 'killed' | 'survived' | 'invalid'
  /** By what it was killed, what it survived, or what went wrong. */
  readonly text: string
}

/** `outcomes` of the mutant's killers; undefined if the run did not end. */
export function verdictOn(mutant: Mutant, outcomes: Outcomes | undefined): Verdict {
  if (outcomes === undefined) return { type: 'invalid', text: 'the tests did not end' }
  const results = mutant.killers.map((killer) => resultOf(killer, outcomes))
  const missing = results.find(({ state }) => state === 'none')
  if (missing !== undefined) return { type: 'invalid', text: `${missing.text} ${outcomes.errors.join('; ')}`.trim() }
  const crashed = results.find(({ state }) => state === 'error')
  if (crashed !== undefined) return { type: 'invalid', text: crashed.text }
  const passed = results.find(({ state }) => state === 'passed')
  if (passed !== undefined) return { type: 'survived', text: passed.text }
  return { type: 'killed', text: results.map(({ text }) => text).join(', ') }
}

/** What is wrong with the unchanged code, if it does not pass all of `killers`. */
export function brokenKillers(killers: readonly Killer[], outcomes: Outcomes | undefined): readonly string[] {
  if (outcomes === undefined) return ['the tests did not end']
  const failed = killers.flatMap((killer) => {
    const tests = outcomesOf(outcomes, killer)
    if (tests.length === 0) return [`${nameOf(killer)}: no such test`]
    return tests.filter(({ state }) => state !== 'passed').map(({ message }) => `${nameOf(killer)}: ${message}`)
  })
  return [...outcomes.errors, ...failed]
}

/** One failing case of a table is enough; an assertion says more than a crash of another case. */
function resultOf(killer: Killer, outcomes: Outcomes): { state: TestOutcome['state'] | 'none'; text: string } {
  const tests = outcomesOf(outcomes, killer)
  const name = nameOf(killer)
  for (const state of ['assertion', 'error', 'passed'] as const) {
    const found = tests.find((test) => test.state === state)
    if (found !== undefined) return { state, text: state === 'error' ? `${name} crashed: ${found.message}` : name }
  }
  return { state: 'none', text: `${name} did not run` }
}

function nameOf({ file, test }: Killer): string {
  return `${file} '${test}'`
}
