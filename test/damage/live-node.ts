/** Metrics of a running node, sample by sample. */
import type { Cluster } from '../../chaos/harness/cluster.ts'

export interface Sample {
  readonly labels: string
  readonly value: number
}

/** Every sample of `sandglass_<name>`, with its labels as they are written. */
export async function samplesOf(cluster: Cluster, node: string, name: string): Promise<readonly Sample[]> {
  const text = await cluster.metrics(node)
  const samples = text.matchAll(new RegExp(`^sandglass_${name}\\{(.*)\\} (\\S+)$`, 'gm'))
  return Array.from(samples, ([, labels = '', value]) => ({ labels, value: Number(value) }))
}
