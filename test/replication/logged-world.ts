/** A few nodes with the real log and the real replication, under virtual time; and the bound of docs/formats.md, "Size of the log". */
import { expect } from 'vitest'
import type { GroupId, NodeId } from '../../src/base/ids.ts'
import { afterPromises, VirtualTime } from '../virtual-env.ts'
import type { ListHandle } from './cluster.ts'
import { ListView, text } from './list-view.ts'
import { LoggedNode, type LoggedSettings } from './logged-node.ts'
import { MemoryNetwork } from './memory-transport.ts'

/** As in docs/formats.md. `lookMs`: between looks for old entries. */
function bound(node: LoggedNode, settings: LoggedSettings, groups: number, lookMs: number, uncovered = 0): number {
  const { segmentBytes, retainBytes, checkpointMs } = settings
  const batch = node.batchBytesMax
  const header = 1024 + 96 * groups
  const footer = 1024 + 32 * groups
  const largest = Math.max(segmentBytes, header) + batch + footer
  const meanwhile = node.loggedWithin(lookMs + checkpointMs * (2 + Math.ceil(groups / 2)))
  const held = Math.max(retainBytes, Math.max(retainBytes / 2, 2 * largest) + meanwhile, 2 * uncovered)
  const copying = uncovered + Math.ceil((4 * uncovered) / segmentBytes) * batch
  const spare = segmentBytes
  return held + largest + 2 * batch + copying + spare
}

export class LoggedWorld {
  readonly time = new VirtualTime(1, undefined, afterPromises)
  readonly network = new MemoryNetwork(this.time)
  readonly nodes: LoggedNode[]
  readonly settings: LoggedSettings

  /** `own`: what is different at a node. */
  constructor(nodes: number, settings: LoggedSettings, own: (id: NodeId) => Partial<LoggedSettings> = () => ({})) {
    this.settings = settings
    const node = (id: NodeId) => new LoggedNode(this.time, this.network, id, { ...settings, ...own(id) })
    this.nodes = Array.from({ length: nodes }, (_, i) => node(i + 1))
  }

  async boot(): Promise<void> {
    for (const node of this.nodes) await this.time.during(node.boot())
  }

  /** A replica on each of `nodes`; the first is to lead. */
  async start(group: GroupId, nodes: readonly LoggedNode[] = this.nodes): Promise<void> {
    for (const node of nodes) await this.#start(node, group, nodes)
  }

  /** A node that was killed comes back with its replica of a group that all have. */
  async restart(node: LoggedNode, group: GroupId): Promise<ListHandle> {
    await this.time.during(node.boot())
    return this.time.during(this.#start(node, group, this.nodes))
  }

  #start(node: LoggedNode, group: GroupId, nodes: readonly LoggedNode[]): Promise<ListHandle> {
    const members = nodes.map(({ id }) => ({ replica: group * 10 + id, node: id }))
    const spec = { group, replica: group * 10 + node.id, members }
    return node.start<string, string, ListView>(spec, () => new ListView())
  }

  async leader(group: GroupId): Promise<LoggedNode> {
    const leads = (node: LoggedNode) => node.running && node.multi.handle(group)?.status().ready === true
    await this.time.until(() => this.nodes.some(leads), 600_000, `a leader of ${group}`)
    const node = this.nodes.find(leads)
    if (node === undefined) throw new Error('no leader')
    return node
  }

  /** One command of `bytes`; resolves with the answer's type. */
  ask(node: LoggedNode, group: GroupId, bytes: number): Promise<string> {
    return new Promise((resolve) => {
      const done = ({ type }: { readonly type: string }) => resolve(type)
      node.multi.handle(group)?.propose({ at: node.env.wallMs(), commands: [text('x'.repeat(bytes))], done })
    })
  }

  propose(node: LoggedNode, group: GroupId, bytes: number): Promise<string> {
    return this.time.during(this.ask(node, group, bytes))
  }

  /** All nodes, at every moment so far, `times` as much being retained as is usual. */
  expectBound(groups: number, lookMs: number, uncovered = 0, times = 1): void {
    const settings = { ...this.settings, retainBytes: times * this.settings.retainBytes }
    for (const node of this.nodes) {
      expect(node.peakBytes).toBeLessThan(bound(node, settings, groups, lookMs, uncovered))
      expect(node.fatal).toEqual([])
    }
  }
}
