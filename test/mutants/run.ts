/**
 * `npm run mutants`: applies the listed faults one by one to a copy of the sources and runs the tests named for each.
 * A line for each mutant, the last line is JSON; exit 1 unless exactly the harmless ones survive.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { MUTANTS } from './list.ts'
import { applyFault, type Killer, type Mutant } from './mutant.ts'
import { brokenKillers, type Verdict, verdictOn } from './verdict.ts'
import { Workspace } from './workspace.ts'

const HELP = `npm run mutants -- [--list] [--only NAME[,NAME...]]

Applies single faults to a copy of the sources, one by one, and runs the tests named for each (test/mutants/).
  --list   prints the mutants and their tests, runs nothing
  --only   runs these mutants
  --help   prints this`

/** Each mutant's tests take seconds; a fault may make them wait for ever. */
const TIMEOUT_MS = 60_000
const BASELINE_TIMEOUT_MS = 300_000
const WORKERS_MAX = 4

interface Total {
  readonly killed: string[]
  readonly survived: string[]
  readonly invalid: string[]
}

const { values } = parseArgs({
  options: { list: { type: 'boolean' }, only: { type: 'string' }, help: { type: 'boolean' } },
})
const names = values.only?.split(',') ?? MUTANTS.map(({ name }) => name)
if (values.help) console.log(HELP)
else if (values.list) for (const mutant of MUTANTS) console.log(describe(mutant))
else process.exitCode = (await run(MUTANTS.filter(({ name }) => names.includes(name)))) ? 0 : 1

async function run(mutants: readonly Mutant[]): Promise<boolean> {
  const root = process.cwd()
  const wrong = problemsOf(root, mutants)
  for (const text of wrong) console.error(text)
  if (wrong.length > 0) return false
  const count = Math.min(WORKERS_MAX, availableParallelism(), mutants.length)
  const workspaces = Array.from({ length: count }, () => new Workspace(root))
  process.once('exit', () => {
    for (const workspace of workspaces) workspace.remove()
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  const [first] = workspaces
  if (first === undefined || !(await passesUnchanged(first, mutants))) return false
  const total: Total = { killed: [], survived: [], invalid: [] }
  const left = [...mutants]
  await Promise.all(workspaces.map((workspace) => work(workspace, left, total)))
  return summarize(mutants, total)
}

/** Names that are no mutant's, and mutants that no longer fit the code. */
function problemsOf(root: string, mutants: readonly Mutant[]): readonly string[] {
  const unknown = names.filter((name) => !MUTANTS.some((mutant) => mutant.name === name))
  const stale = mutants.flatMap((mutant) => {
    try {
      applyFault(mutant, readFileSync(join(root, 'src', mutant.file), 'utf8'))
      return []
    } catch (error) {
      return [error instanceof Error ? error.message : `Cannot apply ${mutant.name}`]
    }
  })
  return [...unknown.map((name) => `Cannot run ${name}: there is no such mutant, see --list`), ...stale]
}

/** The unchanged code passes everything that is to kill a mutant. */
async function passesUnchanged(workspace: Workspace, mutants: readonly Mutant[]): Promise<boolean> {
  const started = performance.now()
  const killers: Killer[] = mutants.flatMap((mutant) => mutant.killers)
  const broken = brokenKillers(killers, await workspace.run(killers, BASELINE_TIMEOUT_MS))
  for (const text of broken) console.error(`the unchanged code fails: ${text}`)
  if (broken.length === 0) console.log(`the unchanged code passes ${killers.length} tests (${seconds(started)})`)
  return broken.length === 0
}

async function work(workspace: Workspace, left: Mutant[], total: Total): Promise<void> {
  for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
    const { name, killers } = mutant
    const started = performance.now()
    const verdict = await workspace.mutated(mutant, async () =>
      verdictOn(mutant, await workspace.run(killers, TIMEOUT_MS)),
    )
    total[verdict.type].push(name)
    console.log(`${line(mutant, verdict)} (${seconds(started)})`)
  }
}

function line({ name, harmless }: Mutant, { type, text }: Verdict): string {
  if (type === 'killed') return `killed    ${name} by ${text}`
  if (type === 'survived') return `survived  ${name}${harmless ? ', as it must:' : ': passed'} ${text}`
  return `invalid   ${name}: ${text}`
}

function summarize(mutants: readonly Mutant[], { killed, survived, invalid }: Total): boolean {
  const wrong = mutants.filter(({ name, harmless }) => !(harmless ? survived : killed).includes(name)).length
  const ok = wrong === 0
  const folder = process.env.SANDGLASS_REPORTS
  if (folder !== undefined) writeReport(folder, { passed: mutants.length - wrong, failed: wrong })
  console.log(JSON.stringify({ mutants: mutants.length, killed: killed.length, survived, invalid, ok }))
  return ok
}

/** In the words of the test runner's report, for bin/dev/sum-reports.mjs. */
function writeReport(folder: string, { passed, failed }: { passed: number; failed: number }): void {
  mkdirSync(folder, { recursive: true })
  const report = { numPassedTests: passed, numFailedTests: failed, testResults: [] }
  writeFileSync(join(folder, 'mutants.json'), JSON.stringify(report))
}

function describe({ name, breaks, file, killers }: Mutant): string {
  return [`${name} (src/${file}): ${breaks}`, ...killers.map((killer) => `  ${killer.file} '${killer.test}'`)].join(
    '\n',
  )
}

function seconds(started: number): string {
  return `${((performance.now() - started) / 1000).toFixed(1)} s`
}
