/** The list fits the code: what it replaces is there once, and the tests that it names exist. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { MUTANTS } from './list.ts'
import { applyFault, type Mutant, titlePattern } from './mutant.ts'
import type { TestOutcome } from './outcomes.ts'
import { brokenKillers, verdictOn } from './verdict.ts'

const root = new URL('../../', import.meta.url)

function read(path: string): string {
  return readFileSync(new URL(path, root), 'utf8')
}

/** In one of the three quotes, as the title of a test is. */
function hasTest(file: string, title: string): boolean {
  const source = read(`test/${file}`)
  return ["'", '"', '`'].some((quote) => source.includes(`${quote}${title}${quote}`))
}

describe('the list of mutants', () => {
  test('has at least forty, each under a name of its own, and one that is harmless', () => {
    expect(MUTANTS.length).toBeGreaterThanOrEqual(40)
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length)
    expect(MUTANTS.filter(({ harmless }) => harmless)).toHaveLength(1)
  })

  test.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))('%s changes code that is there', (_, mutant) => {
    const text = read(`src/${mutant.file}`)
    expect(applyFault(mutant, text)).not.toBe(text)
  })

  test.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))('%s names tests that are there', (_, mutant) => {
    expect(mutant.killers.length).toBeGreaterThan(0)
    expect(mutant.killers.filter(({ file, test }) => !hasTest(file, test))).toEqual([])
  })
})

const MUTANT: Mutant = {
  name: 'm',
  breaks: 'a promise',
  file: 'f.ts',
  find: 'a > b',
  replace: 'a >= $&',
  killers: [
    { file: 'a.test.ts', test: 'the $word holds (§5.3)' },
    { file: 'a.test.ts', test: 'it does' },
  ],
}

function outcome(test: string, state: TestOutcome['state']): TestOutcome {
  return { file: 'a.test.ts', test, state, message: state === 'passed' ? '' : 'failed' }
}

describe('a fault', () => {
  test('goes into the one place it names, as it is written', () => {
    expect(applyFault(MUTANT, 'if (a > b)')).toBe('if (a >= $&)')
    expect(() => applyFault(MUTANT, 'if (a < b)')).toThrow('Cannot apply m to src/f.ts: its text is no longer there')
    expect(() => applyFault(MUTANT, 'a > b && a > b')).toThrow('its text is there 2 times')
  })
})

describe('the verdict', () => {
  const judge = (...tests: TestOutcome[]) => verdictOn(MUTANT, { tests, errors: [] }).type

  test('is killed when every named test failed with an assertion, of a table of cases one', () => {
    const table = [outcome('the first holds (§5.3)', 'passed'), outcome('the next holds (§5.3)', 'assertion')]
    expect(judge(...table, outcome('it does', 'assertion'))).toBe('killed')
    expect(judge(...table, outcome('it does', 'passed'))).toBe('survived')
  })

  test('is invalid when a test crashed, did not run or did not end', () => {
    const killed = outcome('the word holds (§5.3)', 'assertion')
    expect(judge(killed, outcome('it does', 'error'))).toBe('invalid')
    expect(judge(killed, outcome('it does too', 'assertion'))).toBe('invalid')
    expect(verdictOn(MUTANT, undefined).type).toBe('invalid')
  })

  test('needs unchanged code that passes all of the tests', () => {
    const tests = [outcome('the word holds (§5.3)', 'passed'), outcome('it does', 'assertion')]
    expect(brokenKillers(MUTANT.killers, { tests, errors: [] })).toEqual(["a.test.ts 'it does': failed"])
    expect(brokenKillers(MUTANT.killers, undefined)).toEqual(['the tests did not end'])
    expect(brokenKillers(MUTANT.killers, { tests: tests.slice(0, 1), errors: ['x'] })).toHaveLength(2)
  })

  test('matches titles with their placeholders filled in', () => {
    const title = (template: string, text: string) => new RegExp(`^${titlePattern(template)}$`).test(text)
    expect(title('log $own.terms of %s (1 + 1)', 'log [ 1 ] of five (1 + 1)')).toBe(true)
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the title of a test as its source has it
    expect(title('under seed ${seed}', 'under seed 7')).toBe(true)
    expect(title('it does', 'it does not')).toBe(false)
  })
})
