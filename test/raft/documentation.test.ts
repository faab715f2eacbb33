/** docs/raft.md leads a reader to code and tests: what it names must be there, and nothing may be missing from it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const ROOT = new URL('../../', import.meta.url)
const TEXT = readFileSync(new URL('docs/raft.md', ROOT), 'utf8')
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
