/** A copy of the sources in a temporary folder, where faults are applied and tests run: the checkout stays as it is. */
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { applyFault, type Killer, type Mutant, titlePattern } from './mutant.ts'
import type { Outcomes } from './outcomes.ts'

const FOLDERS = ['src', 'test', 'proto']
const FILES = /^(package|tsconfig)\.json$|^vitest\..*\.ts$|^vitest\.config\.ts$/
const OUTCOMES = 'outcomes.json'

export class Workspace {
  #child: ChildProcess | undefined
  readonly #folder = mkdtempSync(join(tmpdir(), 'sandglass-mutants-'))

  /** `root` is a checkout with its dependencies installed. */
  constructor(root: string) {
    const files = readdirSync(root).filter((name) => FILES.test(name))
    for (const name of [...FOLDERS, ...files]) cpSync(join(root, name), join(this.#folder, name), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(this.#folder, 'node_modules'))
  }

  /** Runs `action` while the fault is in the sources. */
  async mutated<T>(mutant: Mutant, action: () => Promise<T>): Promise<T> {
    const path = join(this.#folder, 'src', mutant.file)
    const original = readFileSync(path, 'utf8')
    writeFileSync(path, applyFault(mutant, original))
    try {
      return await action()
    } finally {
      writeFileSync(path, original)
    }
  }

  /** Runs the named tests; undefined if they have not ended after `timeoutMs` or the test process broke. */
  async run(killers: readonly Killer[], timeoutMs: number): Promise<Outcomes | undefined> {
    const outcomes = join(this.#folder, OUTCOMES)
    rmSync(outcomes, { force: true })
    const files = new Set(killers.map(({ file }) => `test/${file}`))
    const titles = [...new Set(killers.map(({ test }) => titlePattern(test)))]
    const args = ['run', '--config', 'vitest.mutants.config.ts', '-t', `(?:^| )(?:${titles.join('|')})$`, ...files]
    const env = { ...process.env, MUTANT_OUTCOMES: outcomes, SANDGLASS_REPORTS: undefined }
    const vitest = join('node_modules', 'vitest', 'vitest.mjs')
    const child = spawn(process.execPath, [vitest, ...args], { cwd: this.#folder, env, stdio: 'ignore' })
    this.#child = child
    const ended = await endOf(child, timeoutMs)
    return ended ? readOutcomes(outcomes) : undefined
  }

  /** Ends what runs in it. */
  remove(): void {
    this.#child?.kill('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function endOf(child: ChildProcess, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.once('error', reject)
    child.once('exit', (code) => {
      clearTimeout(timer)
      resolve(code !== null)
    })
  })
}

function readOutcomes(path: string): Outcomes | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Outcomes
  } catch {
    // The test process ended before its report: whatever it printed, nothing was judged.
    return undefined
  }
}
