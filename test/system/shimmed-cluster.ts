/** A cluster whose nodes run under the preload shim, each with an empty journal from its start on, so that power can be cut. */
import { join } from 'node:path'
import type { Cluster } from '../../chaos/harness/cluster.ts'
import type { NodeProcess } from '../../chaos/harness/node-process.ts'
import { cutPower, underShim } from './power-cut.ts'

export class ShimmedCluster {
  readonly cluster: Cluster
  readonly #library: string

  /** `library` as buildShim made it. */
  constructor(cluster: Cluster, library: string) {
    this.cluster = cluster
    this.#library = library
  }

  /** Starts every node that does not run, and waits until all are ready. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    for (const node of this.cluster.nodes) {
      if (!node.running)
        node.start({ env: { ...underShim(this.#library, this.data(node), this.#journal(node)), ...env } })
    }
    await this.cluster.start()
  }

  /** SIGKILL: what the processes wrote stays in the page cache. */
  async kill(nodes: readonly NodeProcess[]): Promise<void> {
    for (const node of nodes) node.signal('SIGKILL')
    await Promise.all(nodes.map((node) => node.exited()))
  }

  /** Kills them and takes what no sync covered; tells how many bytes that were. */
  async cut(nodes: readonly NodeProcess[]): Promise<number> {
    await this.kill(nodes)
    return nodes.reduce((bytes, node) => bytes + cutPower(this.data(node), this.#journal(node)).bytes, 0)
  }

  data({ name }: NodeProcess): string {
    return join(this.cluster.folder, name)
  }

  #journal({ name }: NodeProcess): string {
    return join(this.cluster.folder, 'power', name)
  }
}
