/**
 * `npm run sim`: runs seeds of the simulated cluster. Options: --seeds A..B, --nodes 3|5, --core (the consensus core
 * alone), --jobs N (threads), --again N (runs so many of the seeds a second time and compares), --replay FILE, --shrink,
 * --trace (of the core: what happened to it). The last line is JSON; exit 1 if a seed failed or went two ways. The trace
 * hash does not depend on --jobs.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { examineFile, examineSeed, type Wishes } from './examine.ts'
import { runTasks } from './jobs.ts'
import type { SeedOutcome, SeedTask } from './seed-task.ts'

interface Options extends Wishes {
  readonly seeds: string
  readonly nodes: number | undefined
  readonly core: boolean
  readonly jobs: number
  readonly again: number
  readonly replay: string | undefined
}

async function main(options: Options): Promise<void> {
  const started = performance.now()
  const hashes = new Map<number, string>()
  const failed = new Set<number>()
  const tasks = tasksOf(options)
  const take = ({ seed, traceHash, report }: SeedOutcome) => {
    hashes.set(seed, traceHash)
    if (report === undefined) return
    failed.add(seed)
    console.error(report)
  }
  if (options.replay !== undefined) take(await examineFile(options.replay, options))
  else if (options.trace || options.shrink) for (const task of tasks) take(await examineSeed(task, options))
  else await runTasks(tasks, options, take)
  const seeds = hashes.size
  const seedsPerS = Math.round((seeds * 10_000) / (performance.now() - started)) / 10
  await runTasks(someOf(tasks, options.again), options, ({ seed, traceHash }) => {
    if (hashes.get(seed) === traceHash) return
    failed.add(seed)
    console.error(`seed ${seed} went two ways: ${hashes.get(seed)} and ${traceHash}`)
  })
  const result = { seeds, failed: [...failed].sort((a, b) => a - b), traceHash: combined(hashes), seedsPerS }
  writeReport(seeds - failed.size, failed.size)
  console.log(JSON.stringify(result))
  process.exitCode = failed.size > 0 ? 1 : 0
}

function tasksOf({ seeds, nodes, core }: Options): SeedTask[] {
  const [first, last = first] = seeds.split('..').map(Number)
  if (
    first === undefined ||
    last === undefined ||
    !Number.isInteger(first) ||
    !(Number.isInteger(last) && last >= first)
  ) {
    throw new Error(`Cannot read the seeds ${seeds}: write A..B`)
  }
  const swarm = nodes === undefined ? {} : { nodes }
  return Array.from({ length: last - first + 1 }, (_, at) => ({ seed: first + at, core, ...swarm }))
}

/** `count` of them, evenly spread. */
function someOf(tasks: readonly SeedTask[], count: number): SeedTask[] {
  const each = Math.max(1, Math.floor(tasks.length / Math.max(1, count)))
  return tasks.filter((_, at) => at % each === 0).slice(0, count)
}

/** One number for all runs, by ascending seed. */
function combined(hashes: ReadonlyMap<number, string>): string {
  let hash = 0
  for (const [seed, traceHash] of [...hashes].sort(([a], [b]) => a - b)) {
    for (const char of `${seed} ${traceHash}`) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193)
  }
  return (hash >>> 0).toString(16).padStart(8, '0')
}

/** For .ci/run, in the shape of the test runner's own reports. */
function writeReport(numPassedTests: number, numFailedTests: number): void {
  const folder = process.env.SANDGLASS_REPORTS
  if (folder === undefined) return
  writeFileSync(join(folder, 'sim.json'), JSON.stringify({ numPassedTests, numFailedTests, testResults: [] }))
}

const flags = await yargs(hideBin(process.argv))
  .option('seeds', { type: 'string', default: '1..500' })
  .option('nodes', { type: 'number', choices: [3, 5] })
  .option('core', { type: 'boolean', default: false })
  .option('jobs', { type: 'number', default: 1 })
  .option('again', { type: 'number', default: 0 })
  .option('replay', { type: 'string' })
  .option('shrink', { type: 'boolean', default: false })
  .option('trace', { type: 'boolean', default: false })
  .strict()
  .parse()
const { seeds, nodes, core, jobs, again, replay: file, shrink, trace } = flags
await main({ seeds, nodes, core, jobs, again, replay: file, shrink, trace })
