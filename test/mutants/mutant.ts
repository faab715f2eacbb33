/** A mutant: the code with one fault, the behaviour that the fault breaks, and the tests that must notice. */

/** A test as its file names it: of a table of cases, the title with its placeholders; one failing case is enough. */
export interface Killer {
  /** Below test/. */
  readonly file: string
  readonly test: string
}

export interface Mutant {
  /** Unique, in kebab-case. */
  readonly name: string
  /** The promise that is broken, with its section of the paper or of the docs. */
  readonly breaks: string
  /** Below src/. */
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly find: string
  readonly replace: string
  /** Each of them must fail with an assertion. */
  readonly killers: readonly Killer[]
  /** Changes nothing that can be observed: must survive, which shows that the runner can tell. */
  readonly harmless?: true
}

/** The tests of one file. */
export function testsOf(file: string): (...tests: readonly string[]) => Killer[] {
  return (...tests) => tests.map((test) => ({ file, test }))
}

/** Placeholders of tables of cases (`$name`, `%s`) and of template literals. */
const PLACEHOLDER = /\$\{[^}]*\}|\$\w+(?:\.\w+)*|%[sdijfo]/

/** Source of a regular expression for the titles that `title` stands for. */
export function titlePattern(title: string): string {
  return title.split(PLACEHOLDER).map(escapeRegExp).join('.*')
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

/** `text` with the fault of `mutant`. Throws if the list no longer fits the code. */
export function applyFault(mutant: Mutant, text: string): string {
  const count = text.split(mutant.find).length - 1
  if (count === 1) return text.replace(mutant.find, () => mutant.replace)
  const state = count === 0 ? 'its text is no longer there' : `its text is there ${count} times`
  throw new Error(`Cannot apply ${mutant.name} to src/${mutant.file}: ${state}: ${mutant.find}`)
}
