/** Nodes with catalog, directory and reconciler over real replicas, in virtual time, on memory disks that outlive crashes. */
import { CATALOG_GROUP, type GroupId, type NodeId } from '../../../src/base/ids.ts'
import { type CatalogDirectory, createCatalogDirectory } from '../../../src/node/catalog/catalog-directory.ts'
import type { CatalogHandle } from '../../../src/node/catalog/catalog-handle.ts'
import { createReconciler, type ReplicaHost } from '../../../src/node/catalog/reconciler.ts'
import { MultiRaft } from '../../../src/replication/multi-raft.ts'
import type { ControlClient, ControlHandler } from '../../../src/rpc/control/types.ts'
import { MemoryDisk } from '../../../src/storage/state/memory-database.ts'
import { memoryStateStore } from '../../../src/storage/state/store.ts'
import { createCatalogView } from '../../../src/views/catalog/catalog-view.ts'
import { ListView } from '../../replication/list-view.ts'
import { MemoryNetwork } from '../../replication/memory-transport.ts'
import { MemoryLogDisk, MemoryWal } from '../../replication/memory-wal.ts'
import { type VirtualEnv, VirtualTime } from '../../virtual-env.ts'

const TRAVEL_MS = 1

export class CatalogNode {
  readonly id: NodeId
  readonly #cluster: CatalogCluster
  readonly #logDisk = new MemoryLogDisk()
  readonly #stateDisk = new MemoryDisk()
  readonly errors: unknown[] = []
  /** Made by the present process. */
  env: VirtualEnv
  up = false
  multi: MultiRaft | undefined
  #directory: CatalogDirectory | undefined
  accepts = true

  constructor(cluster: CatalogCluster, id: NodeId) {
    this.#cluster = cluster
    this.id = id
    this.env = cluster.time.env()
  }

  get directory(): CatalogDirectory {
    if (this.#directory === undefined) throw new Error(`node ${this.id} is down`)
    return this.#directory
  }

  get control(): ControlHandler | undefined {
    return this.up ? this.#directory?.control : undefined
  }

  async start(): Promise<void> {
    const { time, network, size } = this.#cluster
    this.env = time.env()
    const wal = new MemoryWal(this.env, this.#logDisk)
    const multi = new MultiRaft({
      env: this.env,
      node: this.id,
      wal,
      state: memoryStateStore(this.env, this.#stateDisk),
      transport: network.transport(this.id),
      onFatal: (error) => this.errors.push(error),
    })
    this.multi = multi
    const ids = Array.from({ length: size }, (_, i) => i + 1)
    const members = ids.map((id) => ({ replica: id, node: id }))
    const catalog: CatalogHandle = await multi.start(
      { group: CATALOG_GROUP, replica: this.id, members },
      createCatalogView,
    )
    const directory = createCatalogDirectory({
      env: this.env,
      identity: {
        clusterId: 'c',
        nodeId: this.id,
        name: `n${this.id}`,
        members: ids.map((id) => ({ id, name: `n${id}`, raft: `n${id}:9190` })),
        state: 'formed',
      },
      catalog,
      replicas: multi,
      observe: (listener) => multi.observe(listener),
      control: this.#cluster.client(this.id),
      accepts: () => this.accepts,
    })
    this.#directory = directory
    this.up = true
    directory.start()
    const host = this.#host(multi, wal)
    const reconciler = createReconciler({
      env: this.env,
      self: this.id,
      catalog,
      host,
      onError: (_group, _action, error) => this.errors.push(error),
    })
    void directory
      .register(this.record())
      .then(() => reconciler.caughtUp())
      .catch((error: unknown) => this.errors.push(error))
  }

  record(raft = `n${this.id}:9190`) {
    return { name: `n${this.id}`, grpc: `n${this.id}:7170`, raft, http: `n${this.id}:2108`, version: '1' }
  }

  crash(): void {
    this.up = false
    this.env.crash()
    this.#cluster.network.down(this.id, true)
  }

  /** Groups whose data lies here. */
  groups(): GroupId[] {
    return [...this.#logDisk.logs.keys()].filter((group) => group !== CATALOG_GROUP)
  }

  leads(): GroupId[] {
    const all = this.up ? (this.multi?.handles() ?? []) : []
    return all.filter((h) => h.group !== CATALOG_GROUP && h.status().role === 'leader').map((h) => h.group)
  }

  #host(multi: MultiRaft, wal: MemoryWal): ReplicaHost {
    return {
      *present() {
        for (const { group, replica } of wal.groups()) {
          if (group !== CATALOG_GROUP) yield { group, replica, running: multi.handle(group) !== undefined }
        }
      },
      start: async (spec) => {
        await multi.start(spec, () => new ListView())
      },
      remove: (group) => multi.remove(group),
    }
  }
}

export class CatalogCluster {
  readonly time: VirtualTime
  readonly network: MemoryNetwork
  readonly size: number
  readonly nodes: CatalogNode[] = []
  /** So many answers to forwarded commands get lost. */
  answersToLose = 0
  /** Questions for a read point that went over the network. */
  readPoints = 0

  static async start(size = 3, seed = 1): Promise<CatalogCluster> {
    const cluster = new CatalogCluster(size, seed)
    for (const node of cluster.nodes) await cluster.time.during(node.start())
    await cluster.time.until(() => cluster.node(1).directory.nodes().length === size, 20_000, 'all to register')
    return cluster
  }

  constructor(size: number, seed: number) {
    this.time = new VirtualTime(seed)
    this.network = new MemoryNetwork(this.time)
    this.size = size
    for (let id = 1; id <= size; id++) this.nodes.push(new CatalogNode(this, id))
  }

  node(id: NodeId): CatalogNode {
    const node = this.nodes[id - 1]
    if (node === undefined) throw new Error(`there is no node ${id}`)
    return node
  }

  /** The node that leads the catalog. */
  leader(): CatalogNode {
    const leader = this.nodes.find((n) => n.up && n.multi?.handle(CATALOG_GROUP)?.status().ready === true)
    if (leader === undefined) throw new Error('the catalog has no leader')
    return leader
  }

  follower(): CatalogNode {
    const leader = this.leader()
    const follower = this.nodes.find((n) => n.up && n !== leader)
    if (follower === undefined) throw new Error('there is no follower')
    return follower
  }

  client(from: NodeId): ControlClient {
    return {
      propose: async (to, command) => {
        const answer = await this.#call(from, to, (handler) => handler.propose(from, command))
        if (this.answersToLose-- > 0) throw new Error('the connection broke')
        return answer
      },
      readIndex: (to) => {
        this.readPoints++
        return this.#call(from, to, (handler) => handler.readIndex())
      },
      report: (to, report) => this.#call(from, to, async (handler) => handler.report(report)),
    }
  }

  async #call<T>(from: NodeId, to: NodeId, run: (handler: ControlHandler) => Promise<T>): Promise<T> {
    await this.#travel()
    const handler = this.node(to).control
    if (handler === undefined || !this.node(from).up) throw new Error(`node ${to} is down`)
    const answer = await run(handler)
    await this.#travel()
    return answer
  }

  #travel(): Promise<void> {
    return new Promise((resolve) => this.time.after(TRAVEL_MS, resolve))
  }
}
