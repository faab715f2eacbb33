/** One run of the consensus core alone: a seed draws sizes and faults as it goes; what it drew can be run again from the list. */
import { Cluster } from '../raft/simulation/cluster.ts'
import type { CoreEvent } from '../raft/simulation/core-faults.ts'
import type { Swarm } from '../raft/simulation/swarm.ts'
import type { Finding } from './raft-checker.ts'

/** All that a run depends on. */
export interface CorePlan {
  readonly core: true
  readonly seed: number
  readonly swarm: Swarm
  readonly events: readonly CoreEvent[]
}

export interface CoreResult {
  readonly plan: CorePlan
  readonly traceHash: string
  readonly finding: Finding | undefined
}

const FAULTS_MS = 4000

export function runCoreSeed(seed: number, nodes?: number): CoreResult {
  return runCluster(seed, new Cluster(seed, nodes === undefined ? {} : { nodes }))
}

export function runCorePlan({ seed, swarm, events }: CorePlan): CoreResult {
  return runCluster(seed, new Cluster(seed, swarm), events)
}

function runCluster(seed: number, cluster: Cluster, events?: readonly CoreEvent[]): CoreResult {
  let finding: Finding | undefined
  try {
    cluster.run(FAULTS_MS, events)
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    finding = { kind: kindOf(text), text }
  }
  const plan: CorePlan = { core: true, seed, swarm: cluster.swarm, events: events ?? cluster.events }
  return { plan, traceHash: cluster.traceHash, finding }
}

/** What broke, without where and when: the beginning of the message, its numbers left out. */
function kindOf(text: string): string {
  return text.replace(/\d+/g, 'N').split(/[:,{[]/, 1)[0] ?? ''
}
