/** One seed as a task that any thread can do: what goes in and comes out are plain values. */
import { type CoreResult, runCoreSeed } from './core-plan.ts'
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

const STACK_FRAMES = 30

export async function runTask(task: SeedTask): Promise<SeedOutcome> {
  const { seed } = task
  const again = `--seeds ${seed}..${seed}${task.nodes === undefined ? '' : ` --nodes ${task.nodes}`}`
  if (task.core) return coreOutcome(runCoreSeed(seed, task.nodes), `--core ${again}`)
  const { result, report } = await runReported(planOf(seed, task), again)
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

export function coreOutcome({ plan, traceHash, finding }: CoreResult, again: string): SeedOutcome {
  const { seed, events } = plan
  const report = finding && `seed ${seed}, ${events.length} events, ${finding.text}\n  again: npm run sim -- ${again}`
  return { seed, traceHash, report }
}
