/** Bounds count what is kept alive: a process with a small heap, and its buffers after a collection. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { type Measured, MIB } from './scenario.ts'

const HEAP_MIB = 64

let measured: readonly Measured[] = []

beforeAll(async () => {
  const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))
  const flags = ['--expose-gc', `--max-old-space-size=${HEAP_MIB}`]
  const child = spawn(process.execPath, [...flags, file('../../bin/dev/typescript.mjs'), file('./child.ts')])
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const [out, problems, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (code !== 0) throw new Error(`the process ended with ${code} after ${out}: ${problems}`)
  const lines = out.trim().split('\n')
  measured = lines.map((line) => JSON.parse(line) as Measured)
}, 120_000)

/** What the scenario kept lies between the two; less than `least` would mean that nothing was tried. */
function expectKept(scenario: string, least: number, most: number): void {
  const bytes = measured.find(({ name }) => name === scenario)?.bytes
  expect(bytes).toBeGreaterThanOrEqual(least)
  expect(bytes).toBeLessThanOrEqual(most)
}

test('a lane in which something always waits keeps nothing of what it gave away', () => {
  expectKept('lane', 0.5 * MIB, 2 * MIB)
})

test('an entry on its way keeps its callers, not the commands it was made of', () => {
  expectKept('entriesOnTheirWay', 0, MIB)
})

test('commands that wait share the bound of the node, over however many partitions', () => {
  expectKept('lanesOfManyPartitions', 100 * MIB, 150 * MIB)
})

test('a cache of recent entries holds its bound in large entries, however many went through it', () => {
  expectKept('recentCache', 6 * MIB, 9 * MIB)
})

test('streams that nobody reads share the bound of the node', () => {
  expectKept('unreadStreams', 20 * MIB, 40 * MIB)
})

test('a produce stream keeps nothing of the frames that are being stored', () => {
  expectKept('framesBeingStored', 0, 6 * MIB)
})

test('due messages that nobody takes do not keep the large entries that they came in', () => {
  expectKept('dueMessagesOfLargeEntries', 0.3 * MIB, 2 * MIB)
})

test('what is at hand for two hundred groups that lag stays within the bound of the node', () => {
  expectKept('windowsOfManyGroups', 40 * MIB, 64 * MIB)
})
