/** One run looked at closely: a seed or a kept plan, with its trace, made small if it fails; of the whole stack or the core. */
import { readFileSync, writeFileSync } from 'node:fs'
import { type CorePlan, type CoreResult, runCorePlan, runCoreSeed } from './core-plan.ts'
import { type Plan, planOf, runPlan } from './run-seed.ts'
import { coreOutcome, runReported, type SeedOutcome, type SeedTask } from './seed-task.ts'
import { CALMER, CORE_CALMER, Shrinker } from './shrink.ts'

/** A run takes a third of a second, or some milliseconds. */
const STACK_TRIES_MAX = 250
const CORE_TRIES_MAX = 4000

export interface Wishes {
  readonly trace: boolean
  /** Writes `sim-SEED.json`. */
  readonly shrink: boolean
}

export async function examineFile(file: string, wishes: Wishes): Promise<SeedOutcome> {
  const plan = JSON.parse(readFileSync(file, 'utf8')) as Plan | CorePlan
  const again = `--replay ${file}`
  return 'core' in plan ? lookAtCore(runCorePlan(plan), again, wishes) : look(plan, again, wishes)
}

export async function examineSeed(task: SeedTask, wishes: Wishes): Promise<SeedOutcome> {
  const { seed, core, nodes } = task
  const again = `--seeds ${seed}..${seed}${nodes === undefined ? '' : ` --nodes ${nodes}`}`
  return core
    ? lookAtCore(runCoreSeed(seed, nodes), `--core ${again}`, wishes)
    : look(planOf(seed, task), again, wishes)
}

async function look(plan: Plan, again: string, { trace, shrink }: Wishes): Promise<SeedOutcome> {
  const { result, report } = await runReported(plan, again, trace)
  if (trace) console.error(result.trace.join('\n'))
  const { finding, traceHash } = result
  if (finding !== undefined && shrink) {
    const fails = async (smaller: Plan) => (await runPlan(smaller)).finding?.kind === finding.kind
    keep(plan, await new Shrinker(plan, { calmer: CALMER, fails, triesMax: STACK_TRIES_MAX }).run())
  }
  return { seed: plan.seed, traceHash, report }
}

async function lookAtCore(result: CoreResult, again: string, { trace, shrink }: Wishes): Promise<SeedOutcome> {
  const { plan, finding } = result
  if (trace) for (const event of plan.events) console.error(JSON.stringify(event))
  if (finding !== undefined && shrink) {
    const fails = async (smaller: CorePlan) => runCorePlan(smaller).finding?.kind === finding.kind
    keep(plan, await new Shrinker(plan, { calmer: CORE_CALMER, fails, triesMax: CORE_TRIES_MAX }).run())
  }
  return coreOutcome(result, again)
}

function keep(plan: Plan | CorePlan, small: Plan | CorePlan): void {
  const file = `sim-${plan.seed}.json`
  writeFileSync(file, `${JSON.stringify(small, undefined, 1)}\n`)
  console.error(`${small.events.length} of ${plan.events.length} events are left: npm run sim -- --replay ${file}`)
}
