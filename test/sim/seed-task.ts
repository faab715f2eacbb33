/** One seed as a task that any thread can do: what goes in and comes out are plain values. */
import { Cluster } from '../raft/simulation/cluster.ts'
import { type Plan, planOf, type RunResult, runPlan } from './run-seed.ts'
import type { SwarmOptions } from './swarm.ts'

export interface SeedTask extends SwarmOptions {
  readonly seed: number
  /** The consensus core alone. */
  readonly core: boolean
}

export interface SeedOutcome {
  readonly seed: number
  readonly traceHash: string
  /** What was found, with the command that shows it again; undefined: nothing. */
  readonly report: string | undefined
}

const CORE_FAULTS_MS = 4000
const STACK_FRAMES = 30

export async function runTask(task: SeedTask): Promise<SeedOutcome> {
  const { seed } = task
  if (task.core) return runCore(seed)
  const plan = planOf(seed, task)
  const nodes = task.nodes === undefined ? '' : ` --nodes ${task.nodes}`
  const { result, report } = await runReported(plan, `--seeds ${seed}..${seed}${nodes}`)
  return { seed, traceHash: result.traceHash, report }
}

/** Errors are expected by the thousand and get no stack; a run that finds something is done again, with stacks. */
export async function runReported(
  plan: Plan,
  again: string,
  print = false,
): Promise<{ readonly result: RunResult; readonly report: string | undefined }> {
  Error.stackTraceLimit = 0
  const first = await runPlan(plan)
  Error.stackTraceLimit = STACK_FRAMES
  if (first.finding === undefined && !print) return { result: first, report: undefined }
  const result = await runPlan(plan, print)
  const { finding } = result
  const same = result.traceHash === first.traceHash ? '' : '\n  the same seed went another way the second time'
  if (finding === undefined && same === '') return { result, report: undefined }
  const text = `seed ${plan.seed}, ${plan.events.length} faults, ${finding?.kind}: ${finding?.text}`
  return { result, report: `${text}${same}\n  again: npm run sim -- ${again}` }
}

function runCore(seed: number): SeedOutcome {
  const cluster = new Cluster(seed)
  let report: string | undefined
  try {
    cluster.run(CORE_FAULTS_MS)
  } catch (error) {
    report = `seed ${seed}: ${error}\n  again: npm run sim -- --core --seeds ${seed}..${seed}`
  }
  return { seed, traceHash: cluster.traceHash, report }
}
