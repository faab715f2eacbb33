/** Three real nodes in a temporary folder, with a proxy between every ordered pair if asked for. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SandglassClient } from '../../src/client/index.ts'
import { eventually } from './deadline.ts'
import { LinkProxy, type LinkState } from './link-proxy.ts'
import { NodeProcess } from './node-process.ts'

export interface ClusterOptions {
  readonly nodes?: number
  /** A proxy between every ordered pair of nodes. */
  readonly proxies?: boolean
  /** Further flags of every node. */
  readonly flags?: Readonly<Record<string, string | number>>
  readonly env?: Readonly<Record<string, string>>
  /** Words that every node runs through, given its data folder, which may not exist yet. */
  readonly wrapper?: (data: string) => readonly string[]
  /** Flags and environment of one node, by name. */
  readonly only?: Readonly<
    Record<string, { flags?: Readonly<Record<string, string | number>>; env?: Readonly<Record<string, string>> }>
  >
}

interface Ports {
  readonly grpc: number
  readonly http: number
  readonly raft: number
}

export class Cluster {
  readonly folder: string
  readonly nodes: readonly NodeProcess[]
  readonly #ports: readonly Ports[]
  readonly #links: ReadonlyMap<string, LinkProxy>
  readonly #clients: SandglassClient[] = []

  private constructor(
    folder: string,
    nodes: readonly NodeProcess[],
    ports: readonly Ports[],
    links: ReadonlyMap<string, LinkProxy>,
  ) {
    this.folder = folder
    this.nodes = nodes
    this.#ports = ports
    this.#links = links
  }

  /** Prepares the nodes and, unless told otherwise, starts them and waits until all are ready. */
  static async create(options: ClusterOptions = {}): Promise<Cluster> {
    const folder = mkdtempSync(join(tmpdir(), 'sandglass-cluster-'))
    const names = Array.from({ length: options.nodes ?? 3 }, (_, i) => `n${i + 1}`)
    const ports = await freePorts(names.length)
    const links = options.proxies === true ? await proxies(names, ports) : new Map<string, LinkProxy>()
    const list = names.map((name, i) => `${name}=127.0.0.1:${ports[i]?.raft}`).join(',')
    const nodes = names.map((name, i) => {
      const via = names.flatMap((other) => {
        const link = links.get(`${name}>${other}`)
        return link === undefined ? [] : [`${other}=127.0.0.1:${link.port}`]
      })
      const own = options.only?.[name]
      const flags = {
        name,
        data: join(folder, name),
        grpc_port: ports[i]?.grpc ?? 0,
        http_port: ports[i]?.http ?? 0,
        raft_port: ports[i]?.raft ?? 0,
        initial_cluster: list,
        ...(via.length > 0 ? { raft_via: via.join(',') } : {}),
        ...options.flags,
        ...own?.flags,
      }
      const args = Object.entries(flags).flatMap(([key, value]) => [`--${key}`, String(value)])
      const wrapper = options.wrapper?.(join(folder, name)) ?? []
      return new NodeProcess({ name, args, cwd: folder, env: { ...options.env, ...own?.env }, wrapper })
    })
    return new Cluster(folder, nodes, ports, links)
  }

  /** Starts every node that does not run and waits until all are ready. */
  async start(): Promise<void> {
    for (const node of this.nodes) if (!node.running) node.start()
    await Promise.all(this.nodes.map((node) => node.ready()))
  }

  node(name: string): NodeProcess {
    const node = this.nodes.find((n) => n.name === name)
    if (node === undefined) throw new Error(`no node ${name}`)
    return node
  }

  /** gRPC addresses, of all nodes or of the named ones. */
  addrs(...names: readonly string[]): string[] {
    return this.#ports.flatMap((p, i) =>
      names.length === 0 || names.includes(this.nodes[i]?.name ?? '') ? [`127.0.0.1:${p.grpc}`] : [],
    )
  }

  httpPort(name: string): number {
    const port = this.#ports[this.nodes.findIndex((n) => n.name === name)]?.http
    if (port === undefined) throw new Error(`no node ${name}`)
    return port
  }

  /** What a node's side port says under /metrics. */
  async metrics(name: string): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.httpPort(name)}/metrics`)
    if (!response.ok) throw new Error(`/metrics of ${name}: HTTP ${response.status}`)
    return response.text()
  }

  /** A client of this cluster, closed with it. */
  async client(options: { addrs?: string[]; timeoutMs?: number } = {}): Promise<SandglassClient> {
    const client = await SandglassClient.connect({
      addrs: options.addrs ?? this.addrs(),
      timeoutMs: options.timeoutMs ?? 10_000,
    })
    this.#clients.push(client)
    return client
  }

  /** Name of the partition's leader as the cluster says it; waits until there is one among running nodes. */
  async leader(client: SandglassClient, topic: string, partition: number, ms = 10_000): Promise<string> {
    return eventually(`leader of ${topic}/${partition}`, ms, async () => {
      const { partitions } = await client.topics.describe(topic)
      const name = partitions.find((p) => p.id === partition)?.leader
      return name !== undefined && name !== '' && this.node(name).running ? name : undefined
    })
  }

  /** Sets the link by which `from` sends to `to`. */
  link(from: string, to: string, state: LinkState): void {
    const link = this.#links.get(`${from}>${to}`)
    if (link === undefined) throw new Error(`no proxy from ${from} to ${to}`)
    link.set(state)
  }

  /** Ends everything and removes the folder. */
  async destroy(): Promise<void> {
    await Promise.allSettled(this.#clients.map((client) => client.close()))
    for (const node of this.nodes) {
      if (node.running) node.signal('SIGCONT')
      await node.kill()
    }
    await Promise.all([...this.#links.values()].map((link) => link.close()))
    rmSync(this.folder, { recursive: true, force: true })
  }
}

async function proxies(names: readonly string[], ports: readonly Ports[]): Promise<Map<string, LinkProxy>> {
  const links = new Map<string, LinkProxy>()
  for (const from of names) {
    for (const [i, to] of names.entries()) {
      const raft = ports[i]?.raft
      if (from !== to && raft !== undefined) links.set(`${from}>${to}`, await LinkProxy.listen(raft))
    }
  }
  return links
}

/** Ports that were free a moment ago; all are held until the last is found, so that they differ. */
async function freePorts(nodes: number): Promise<Ports[]> {
  const servers = Array.from({ length: nodes * 3 }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject)
          server.listen(0, '127.0.0.1', () => {
            const address = server.address()
            resolve(address !== null && typeof address === 'object' ? address.port : 0)
          })
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return Array.from({ length: nodes }, (_, i) => ({
    grpc: ports[i * 3] ?? 0,
    http: ports[i * 3 + 1] ?? 0,
    raft: ports[i * 3 + 2] ?? 0,
  }))
}
