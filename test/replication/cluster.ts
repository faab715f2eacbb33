/** A few nodes with one group, under virtual time, on memory disks that outlive crashes. */
import { SandglassError } from '../../src/base/errors.ts'
import type { GroupId, NodeId } from '../../src/base/ids.ts'
import type { ReplicationEvent } from '../../src/replication/events.ts'
import type { GroupHandle, GroupSpec, Member, ProposalOutcome } from '../../src/replication/group.ts'
import { MultiRaft } from '../../src/replication/multi-raft.ts'
import type { MultiRaftOptions, ReplicationLimits } from '../../src/replication/options.ts'
import { MemoryDisk } from '../../src/storage/state/memory-database.ts'
import { memoryStateStore } from '../../src/storage/state/store.ts'
import type { CheckpointMeta, GroupState, StateStore } from '../../src/storage/state/types.ts'
import type { WalDamage } from '../../src/storage/wal/types.ts'
import { type VirtualEnv, VirtualTime } from '../virtual-env.ts'
import { ListView, text } from './list-view.ts'
import { MemoryNetwork } from './memory-transport.ts'
import { MemoryLogDisk, MemoryWal } from './memory-wal.ts'

export const GROUP: GroupId = 7
export type ListHandle = GroupHandle<string, string, ListView>
export type Outcome = ProposalOutcome<string>

export class Node {
  readonly id: NodeId
  readonly logDisk = new MemoryLogDisk()
  readonly stateDisk = new MemoryDisk()
  readonly events: ReplicationEvent[] = []
  readonly fatal: Error[] = []
  /** What opening the log is said to have found. */
  damage: readonly WalDamage[] = []
  /** Replicas from this id on came after it. */
  lostBelow = Number.POSITIVE_INFINITY
  env: VirtualEnv
  wal: MemoryWal
  multi: MultiRaft
  state: StateStore

  readonly #cluster: Cluster
  #stateDamage: string | undefined
  #lasting = false
  #readDamage: string | undefined

  constructor(cluster: Cluster, id: NodeId) {
    this.#cluster = cluster
    this.id = id
    this.env = cluster.time.env()
    this.wal = new MemoryWal(this.env, this.logDisk)
    this.state = this.#openState()
    this.multi = this.#open()
  }

  get handle(): ListHandle {
    const handle = this.multi.handle(GROUP)
    if (handle === undefined) throw new Error(`node ${this.id} has no replica`)
    return handle as ListHandle
  }

  get leads(): boolean {
    return this.multi.handle(GROUP)?.status().ready ?? false
  }

  /** kill -9: what was not durable is gone. Without `noticed` the peers find out by silence. */
  crash(noticed = false): void {
    this.env.crash()
    this.#cluster.network.down(this.id, noticed)
  }

  /** After a crash: a new process over the same disks. */
  async restart(group: GroupId = GROUP): Promise<void> {
    this.env = this.#cluster.time.env()
    this.wal = new MemoryWal(this.env, this.logDisk)
    this.state = this.#openState()
    this.multi = this.#open()
    await this.#cluster.time.during(this.start(group))
  }

  start(group: GroupId = GROUP): Promise<ListHandle> {
    return this.multi.start<string, string, ListView>(this.#cluster.spec(this.id, group), () => new ListView())
  }

  /** As a replica that is no member yet: under the members the group began with. */
  startJoining(members: readonly Member[]): Promise<ListHandle> {
    const spec = { group: GROUP, replica: this.id * 10, members }
    return this.multi.start<string, string, ListView>(spec, () => new ListView())
  }

  texts(): Promise<string[]> {
    return this.handle.view.texts(this.handle.reader)
  }

  /** Bytes in the layers of all groups. */
  stateBytes(): number {
    return this.state.stats().layerBytes
  }

  /** Each chunk of a snapshot waits for it before it is written. */
  beforeChunk: (() => Promise<void>) | undefined = undefined

  /** The next open of the state finds damage, until a snapshot is installed or, unless it is `lasting`, the group removed. */
  breakState(damage: string | undefined, lasting = false): void {
    this.#stateDamage = damage
    this.#lasting = lasting
  }

  /** The next read of the state finds damage. */
  breakReads(damage: string): void {
    this.#readDamage = damage
  }

  #openState(): StateStore {
    const store = memoryStateStore(this.env, this.stateDisk)
    const { group: open, remove } = { group: store.group.bind(store), remove: store.remove.bind(store) }
    store.group = async (group) => this.#damageable(await open(group))
    store.remove = (group) => {
      if (!this.#lasting) this.#stateDamage = undefined
      return remove(group)
    }
    return store
  }

  /** Once damaged it stays so until a snapshot is installed. */
  #damageable(state: GroupState): GroupState {
    const beginInstall: GroupState['beginInstall'] = async (check) => {
      const sink = await state.beginInstall(check)
      const write = async (chunk: Uint8Array) => {
        await this.beforeChunk?.()
        await sink.write(chunk)
      }
      const commit = async (meta: CheckpointMeta) => {
        await sink.commit(meta)
        this.#stateDamage = undefined
      }
      return { write, abort: sink.abort.bind(sink), staged: sink.staged.bind(sink), commit }
    }
    const refuse = () => {
      this.#stateDamage ??= this.#readDamage
      this.#readDamage = undefined
      if (this.#stateDamage !== undefined) throw new SandglassError('INTERNAL', `Cannot read: ${this.#stateDamage}`)
    }
    const scan: GroupState['scan'] = async (...of) => {
      refuse()
      return state.scan(...of)
    }
    const count: GroupState['count'] = async (...of) => {
      refuse()
      return state.count(...of)
    }
    const getMany: GroupState['getMany'] = async (keys, options) => {
      try {
        refuse()
      } catch (error) {
        if (error instanceof SandglassError) return keys.map(() => error)
      }
      return state.getMany(keys, options)
    }
    const read: GroupState['get'] = (key) => {
      refuse()
      return state.get(key)
    }
    const get = (_: GroupState, key: keyof GroupState) => {
      if (key === 'damage') return this.#stateDamage
      if (key === 'beginInstall') return beginInstall
      if (key === 'scan') return scan
      if (key === 'get') return read
      if (key === 'count') return count
      if (key === 'getMany') return getMany
      const value = state[key]
      return typeof value === 'function' ? value.bind(state) : value
    }
    return new Proxy(state, { get: (target, key) => get(target, key as keyof GroupState) })
  }

  #open(): MultiRaft {
    const { network, options } = this.#cluster
    return new MultiRaft({
      env: this.env,
      node: this.id,
      wal: this.wal,
      state: this.state,
      transport: network.transport(this.id, this.env),
      onFatal: (error) => this.fatal.push(error),
      onEvent: (event) => this.events.push(event),
      damage: this.damage,
      lostBelow: () => this.lostBelow,
      ...options,
    })
  }
}

interface ClusterOptions extends Partial<Omit<MultiRaftOptions, 'limits'>> {
  readonly seed?: number
  readonly nodes?: number
  readonly limits?: Partial<ReplicationLimits>
}

export class Cluster {
  readonly time: VirtualTime
  readonly network: MemoryNetwork
  readonly options: Partial<MultiRaftOptions>
  readonly nodes: Node[] = []

  static async start({ seed = 1, nodes = 3, ...options }: ClusterOptions = {}): Promise<Cluster> {
    const cluster = new Cluster(new VirtualTime(seed), options)
    for (let id = 1; id <= nodes; id++) cluster.nodes.push(new Node(cluster, id))
    for (const node of cluster.nodes) await cluster.time.during(node.start())
    return cluster
  }

  constructor(time: VirtualTime, options: Partial<MultiRaftOptions>) {
    this.time = time
    this.network = new MemoryNetwork(time)
    this.options = options
  }

  /** Replica ids are ten times the node's, so that nobody can mistake one for the other. */
  spec(node: NodeId, group: GroupId = GROUP): GroupSpec {
    const members = this.nodes.map(({ id }) => ({ replica: id * 10, node: id }))
    return { group, replica: node * 10, members }
  }

  node(id: NodeId): Node {
    const node = this.nodes[id - 1]
    if (node === undefined) throw new Error(`there is no node ${id}`)
    return node
  }

  /** One more node, without a replica. */
  add(): Node {
    const node = new Node(this, this.nodes.length + 1)
    this.nodes.push(node)
    return node
  }

  others(than: Node): Node[] {
    return this.nodes.filter((node) => node !== than)
  }

  /** The ready leader among `candidates`, once there is one. */
  async leader(candidates: readonly Node[] = this.nodes): Promise<Node> {
    await this.time.until(() => candidates.some((node) => node.leads), 20_000, 'a leader')
    const terms = candidates.filter((node) => node.leads)
    terms.sort((a, b) => b.handle.status().term - a.handle.status().term)
    const [leader] = terms
    if (leader === undefined) throw new Error('no leader')
    return leader
  }

  /** Proposes and waits for the answer. */
  async propose(node: Node, ...values: string[]): Promise<Outcome> {
    const answer = this.ask(node, ...values)
    await this.time.until(() => answer.outcomes.length > 0, 30_000, `an answer to ${values}`)
    const [outcome] = answer.outcomes
    if (outcome === undefined) throw new Error('no outcome')
    return outcome
  }

  /** Proposes; the answers gather in `outcomes`. */
  ask(node: Node, ...values: string[]): { readonly outcomes: Outcome[] } {
    const outcomes: Outcome[] = []
    node.handle.propose({
      at: node.env.wallMs(),
      commands: values.map(text),
      done: (outcome) => outcomes.push(outcome),
    })
    return { outcomes }
  }

  /** Until everybody has applied what the leader has committed. */
  async settled(nodes: readonly Node[] = this.nodes): Promise<void> {
    const leader = await this.leader(nodes)
    const { commit } = leader.handle.status()
    await this.time.until(() => nodes.every(({ handle }) => handle.status().applied >= commit), 30_000, 'all to apply')
  }
}
