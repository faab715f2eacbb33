/** docs/raft.md and docs/evidence.md lead a reader to code and tests: what they name must be there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { MUTANTS } from '../mutants/list.ts'
import { FAULT_TYPES } from '../sim/fault-events.ts'

const ROOT = new URL('../../', import.meta.url)
const TEXT = readFileSync(new URL('docs/raft.md', ROOT), 'utf8')
const EVIDENCE = readFileSync(new URL('docs/evidence.md', ROOT), 'utf8')
const SCENARIOS = 'test/raft/script/scenarios/'

function quoted(pattern: RegExp): string[] {
  return [...TEXT.matchAll(pattern)].map((match) => match[1] ?? '')
}

const paths = quoted(/`((?:src|test)\/[\w./-]+\.\w+)`/g)
const scenarios = quoted(/`scenarios\/([\w-]+\.txt)`/g)
const modules = quoted(/`([\w-]+\.ts)`/g)

test('every file that the page names exists', () => {
  const named = [...paths, ...scenarios.map((name) => SCENARIOS + name), ...modules.map((name) => `src/raft/${name}`)]
  expect(named.length).toBeGreaterThan(80)
  expect(named.filter((path) => !existsSync(new URL(path, ROOT)))).toEqual([])
})

test('every scenario and every test of the core is in the table', () => {
  const unnamed = (folder: string, suffix: string, known: readonly string[]) =>
    readdirSync(new URL(folder, ROOT)).filter((name) => name.endsWith(suffix) && !known.includes(name))
  // These are about the runner and the page, not about a feature.
  const others = ['several-commands.txt', 'documentation.test.ts']
  expect(unnamed(SCENARIOS, '.txt', [...scenarios, ...others])).toEqual([])
  const tests = paths.map((path) => path.replace('test/raft/', ''))
  expect(unnamed('test/raft/', '.test.ts', [...tests, ...others])).toEqual([])
})

test('every file, test, mutant and fault that the evidence names exists', () => {
  const named = [...EVIDENCE.matchAll(/`([\w/.-]+\.ts)`((?:,? "[^"]+")*)/g)].map(([, file = '', titles = '']) => ({
    file: file.startsWith('test/') ? file : `test/${file}`,
    titles: [...titles.matchAll(/"([^"]+)"/g)].map(([, title = '']) => title),
  }))
  expect(named.flatMap(({ titles }) => titles).length).toBeGreaterThan(90)
  expect(named.filter(({ file }) => !existsSync(new URL(file, ROOT)))).toEqual([])
  const missing = named.flatMap(({ file, titles }) => {
    const source = readFileSync(new URL(file, ROOT), 'utf8')
    return titles.filter((title) => !["'", '"', '`'].some((quote) => source.includes(`${quote}${title}${quote}`)))
  })
  expect(missing).toEqual([])
  const known = new Set<string>([...MUTANTS.map(({ name }) => name), ...FAULT_TYPES])
  const words = [...EVIDENCE.matchAll(/`([\w-]+)`/g)].map(([, word = '']) => word)
  expect(words.length).toBeGreaterThan(60)
  expect(words.filter((word) => !known.has(word))).toEqual([])
})
