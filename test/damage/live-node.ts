/** What a running cluster says about its nodes: status as `sandctl` prints it, and metrics. */
import type { Cluster } from '../../chaos/harness/cluster.ts'
import { sandctl } from '../../chaos/harness/sandctl.ts'

export interface Status {
  readonly nodes: readonly { readonly name: string; readonly alive: boolean }[]
  readonly partitions: readonly {
    readonly topic: string
    readonly commit: number
    /** By node. */
    readonly applied: Readonly<Record<string, number>>
  }[]
  readonly damage: readonly {
    readonly node: string
    readonly part: string
    readonly file: string
    readonly offset: number
    readonly groups: readonly number[] | null
  }[]
}

export interface Sample {
  readonly labels: string
  readonly value: number
}

export async function statusOf(cluster: Cluster): Promise<Status> {
  const { code, stdout, stderr } = await sandctl(['-s', cluster.addrs().join(','), '-o', 'json', 'cluster', 'status'])
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Status
}

/** Every sample of `sandglass_<name>`, with its labels as they are written. */
export async function samplesOf(cluster: Cluster, node: string, name: string): Promise<readonly Sample[]> {
  const text = await (await fetch(`http://127.0.0.1:${cluster.httpPort(node)}/metrics`)).text()
  const samples = text.matchAll(new RegExp(`^sandglass_${name}\\{(.*)\\} (\\S+)$`, 'gm'))
  return Array.from(samples, ([, labels = '', value]) => ({ labels, value: Number(value) }))
}
