/**
 * `npm run sim`: runs seeds of the simulated cluster. Options: --seeds A..B, --nodes 3|5, --core (the consensus core
 * alone), --replay FILE, --shrink, --trace. The last line is JSON; exit 1 if a seed failed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { Cluster } from '../raft/simulation/cluster.ts'
import { type Plan, planOf, type RunResult, runPlan } from './run-seed.ts'
import { Shrinker } from './shrink.ts'
import type { SwarmOptions } from './swarm.ts'

const CORE_FAULTS_MS = 4000

interface Options {
  readonly seeds: string
  readonly nodes: number | undefined
  readonly core: boolean
  readonly replay: string | undefined
  readonly shrink: boolean
  readonly trace: boolean
}

interface Total {
  seeds: number
  readonly failed: number[]
  hash: number
}

async function main(options: Options): Promise<void> {
  const started = performance.now()
  const total: Total = { seeds: 0, failed: [], hash: 0 }
  if (options.replay !== undefined) {
    const plan = JSON.parse(readFileSync(options.replay, 'utf8')) as Plan
    await runOne(plan, `--replay ${options.replay}`, options, total)
  } else {
    for (const seed of seedsOf(options.seeds)) {
      if (options.core) runCore(seed, total)
      else await runOne(planOf(seed, swarmOptions(options)), replayArguments(seed, options), options, total)
    }
  }
  const seedsPerS = Math.round((total.seeds * 10_000) / (performance.now() - started)) / 10
  const traceHash = (total.hash >>> 0).toString(16).padStart(8, '0')
  console.log(JSON.stringify({ seeds: total.seeds, failed: total.failed, traceHash, seedsPerS }))
  process.exitCode = total.failed.length > 0 ? 1 : 0
}

async function runOne(plan: Plan, again: string, options: Options, total: Total): Promise<void> {
  const result = await runPlan(plan, options.trace)
  count(plan.seed, result.traceHash, result.finding !== undefined, total)
  if (options.trace) console.error(result.trace.join('\n'))
  if (result.finding === undefined) return
  report(plan, again, result)
  if (!options.shrink) return
  const small = await new Shrinker(plan, result.finding.kind).run()
  const file = `sim-${plan.seed}.json`
  writeFileSync(file, `${JSON.stringify(small, undefined, 1)}\n`)
  console.error(`${small.events.length} of ${plan.events.length} faults are left: npm run sim -- --replay ${file}`)
}

function report({ seed, events }: Plan, again: string, { finding }: RunResult): void {
  console.error(`seed ${seed}, ${events.length} faults, ${finding?.kind}: ${finding?.text}`)
  console.error(`  again: npm run sim -- ${again}`)
}

function runCore(seed: number, total: Total): void {
  const cluster = new Cluster(seed)
  let failure: unknown
  try {
    cluster.run(CORE_FAULTS_MS)
  } catch (error) {
    failure = error
    console.error(`seed ${seed}: ${error}\n  again: npm run sim -- --core --seeds ${seed}..${seed}`)
  }
  count(seed, `${cluster.progress}`, failure !== undefined, total)
}

function count(seed: number, hash: string, failed: boolean, total: Total): void {
  total.seeds++
  if (failed) total.failed.push(seed)
  for (const char of `${seed} ${hash}`) total.hash = Math.imul(total.hash ^ char.charCodeAt(0), 0x01000193)
}

function seedsOf(range: string): number[] {
  const [first, last = first] = range.split('..').map(Number)
  if (first === undefined || last === undefined || !Number.isInteger(first) || !Number.isInteger(last)) {
    throw new Error(`Cannot read the seeds ${range}: write A..B`)
  }
  return Array.from({ length: last - first + 1 }, (_, at) => first + at)
}

function swarmOptions({ nodes }: Options): SwarmOptions {
  return nodes === undefined ? {} : { nodes }
}

function replayArguments(seed: number, { nodes }: Options): string {
  return `--seeds ${seed}..${seed}${nodes === undefined ? '' : ` --nodes ${nodes}`}`
}

const flags = await yargs(hideBin(process.argv))
  .option('seeds', { type: 'string', default: '1..500' })
  .option('nodes', { type: 'number', choices: [3, 5] })
  .option('core', { type: 'boolean', default: false })
  .option('replay', { type: 'string' })
  .option('shrink', { type: 'boolean', default: false })
  .option('trace', { type: 'boolean', default: false })
  .strict()
  .parse()
const { seeds, nodes, core, replay, shrink, trace } = flags
await main({ seeds, nodes, core, replay, shrink, trace })
