/** What a running cluster says about its nodes and partitions, as `sandctl cluster status` prints it. */
import type { Cluster } from './cluster.ts'
import { sandctl } from './sandctl.ts'

interface Status {
  readonly nodes: readonly { readonly name: string; readonly alive: boolean }[]
  readonly partitions: readonly {
    readonly topic: string
    readonly leader: string
    readonly term: number
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

/** As one of `nodes` sees it; default: any. */
export async function statusOf(cluster: Cluster, ...nodes: string[]): Promise<Status> {
  const addrs = cluster.addrs(...nodes).join(',')
  const { code, stdout, stderr } = await sandctl(['-s', addrs, '-o', 'json', 'cluster', 'status'])
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Status
}
