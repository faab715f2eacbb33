/**
 * The broker's Directory over this node's replica of the catalog: reads come from the view, changes go to the catalog's
 * leader, here or over the peer port, and are answered once this replica has applied them.
 */
import type { Env, Timer } from '../../base/env.ts'
import { SandglassError } from '../../base/errors.ts'
import { CATALOG_GROUP, type GroupId, type NodeId } from '../../base/ids.ts'
import type { Directory, NodeInfo, TopicInfo, TopicSpec } from '../../broker/directory.ts'
import type { ControlClient, ControlHandler, LeaderReport } from '../../rpc/control/types.ts'
import type { CatalogView } from '../../views/catalog/catalog-view.ts'
import type { NodeRecord } from '../../views/catalog/commands.ts'
import type { Identity } from '../formation/identity.ts'
import { AppliedWaiters } from './applied-waiters.ts'
import { CatalogChanges } from './catalog-changes.ts'
import type { CatalogHandle } from './catalog-handle.ts'
import { CatalogLeader, checkProposer } from './catalog-leader.ts'
import { CatalogRequests } from './catalog-requests.ts'
import { LeaderBalancer } from './leader-balancer.ts'
import { LocalReplicas, type Looked, type ReplicaList } from './local-replicas.ts'
import { PeerReports } from './peer-reports.ts'
import { ReportSender } from './report-sender.ts'

export interface CatalogDirectoryOptions {
  readonly env: Env
  readonly identity: Identity
  readonly catalog: CatalogHandle
  readonly replicas: ReplicaList
  /** `changed` is to be called when a group is new or gone there, or what its replica says of who leads may have changed. */
  readonly observe: (changed: (group: GroupId) => void) => void
  readonly control: ControlClient
  /** Whether this node may be given leaderships now; also told to the others. */
  readonly accepts: () => boolean
}

export interface CatalogDirectory extends Directory {
  /** For `addControlService`. */
  readonly control: ControlHandler
  /** host:port of a node's peer port: from the catalog, else from the formation. */
  raftAddress(node: NodeId): string | undefined
  /** All of them but this node's own. */
  raftAddresses(): ReadonlyMap<NodeId, string>
  alive(node: NodeId): boolean
  /** Proposes `registerNode` until the catalog's entry of this node is this one; call it at each start. */
  register(record: Omit<NodeRecord, 'id'>): Promise<void>
  /** An index that the catalog had committed after the call, once it is applied here. Rejects with SHUTTING_DOWN alone. */
  readPoint(): Promise<number>
  /** Starts reports to the others and the leader balancer. */
  start(): void
  close(): void
}

export function createCatalogDirectory(options: CatalogDirectoryOptions): CatalogDirectory {
  return new NodeDirectory(options)
}

/** Reports, balancing, who is alive. */
const TICK_MS = 200
/** What changed is looked at so soon; a storm of elections not one by one but so often. */
const LOOK_AFTER_MS = 5
const LOOK_EVERY_MS = 50
/** Replicas looked at in one turn. */
const LOOKS_PER_TURN = 256

const UNCHANGED: Omit<Looked, 'more'> = { leadersChanged: false, ledChanged: false }

class NodeDirectory implements CatalogDirectory {
  readonly self: NodeId
  readonly clusterId: string
  readonly control: ControlHandler
  readonly #options: CatalogDirectoryOptions
  readonly #view: CatalogView
  readonly #replicas: LocalReplicas
  readonly #reports: PeerReports
  readonly #sender: ReportSender
  readonly #balancer: LeaderBalancer
  readonly #changes: CatalogChanges
  readonly #requests: CatalogRequests
  readonly #listeners: (() => void)[] = []
  #revision: number
  #addresses: { readonly revision: number; readonly all: ReadonlyMap<NodeId, string> } | undefined
  #living = ''
  #accepted = true
  #timer: Timer | undefined
  #look: Timer | undefined
  #lookedMs = Number.NEGATIVE_INFINITY
  #closed = false

  constructor(options: CatalogDirectoryOptions) {
    const { env, identity, catalog, control } = options
    this.#options = options
    this.self = identity.nodeId
    this.clusterId = identity.clusterId
    this.#view = catalog.view
    this.#revision = catalog.view.revision
    this.#replicas = new LocalReplicas(options.replicas)
    this.#reports = new PeerReports(env, (group, node) => this.#carries(group, node))
    const peers = () => this.raftAddresses().keys()
    this.#sender = new ReportSender({ env, control, peers, report: () => this.#report() })
    this.#balancer = new LeaderBalancer({
      env,
      self: this.self,
      leading: () => this.#replicas.leading(),
      partitionOf: (group) => this.#view.partitionOfGroup(group),
      mayLead: (node, ms) => this.#reports.mayLead(node, ms),
    })
    const leader = new CatalogLeader(catalog)
    const waiters = new AppliedWaiters(env, catalog)
    const leaderOf = () => this.leaderOf(CATALOG_GROUP)
    this.#changes = new CatalogChanges({ env, self: this.self, control, leader, waiters, leaderOf })
    this.#requests = new CatalogRequests({
      ...{ env, members: identity.members, view: this.#view, changes: this.#changes },
      alive: (node) => this.alive(node),
    })
    this.control = {
      propose: async (from, command) => {
        checkProposer(from, command)
        return leader.propose(command)
      },
      readIndex: () => leader.readIndex(),
      report: (report) => this.#heard(report),
    }
    catalog.observe({
      status: () => undefined,
      applied: (effects) => (effects.length > 0 ? this.#changed() : undefined),
      reloaded: () => this.#changed(),
    })
    options.observe((group) => {
      this.#replicas.changed(group)
      this.#lookSoon()
    })
  }

  topic(name: string): TopicInfo | undefined {
    return this.#view.topic(name)
  }

  topics(): readonly TopicInfo[] {
    return this.#view.topics()
  }

  node(id: NodeId): NodeInfo | undefined {
    const record = this.#view.node(id)
    return record === undefined ? undefined : this.#info(record)
  }

  nodes(): readonly NodeInfo[] {
    return this.#view.nodes().map((record) => this.#info(record))
  }

  alive(node: NodeId): boolean {
    return node === this.self || this.#reports.alive(node)
  }

  leaderOf(group: GroupId): NodeId {
    const own = this.#replicas.leaderOf(group)
    const said = this.#reports.leaderOf(group)
    return own.node !== 0 && own.term >= said.term ? own.node : said.node
  }

  createTopic(spec: TopicSpec, deadlineMs: number): Promise<TopicInfo> {
    return this.#requests.createTopic(spec, deadlineMs)
  }

  deleteTopic(name: string, deadlineMs: number): Promise<void> {
    return this.#requests.deleteTopic(name, deadlineMs)
  }

  async refresh(deadlineMs: number): Promise<void> {
    await this.#changes.refresh(deadlineMs)
  }

  transferLeader(group: GroupId, to: NodeId): void {
    const replica = this.#replicas.get(group)
    if (replica === undefined || replica.status().role !== 'leader') {
      const leader = this.node(this.leaderOf(group))?.grpc
      const details = leader === undefined ? {} : { leader }
      throw new SandglassError('NOT_LEADER', `Cannot hand group ${group} over: this node does not lead it`, details)
    }
    const member = replica.members.find(({ node }) => node === to)
    if (member === undefined) {
      throw new SandglassError('INVALID', `Cannot hand group ${group} over: node ${to} has no replica`, { field: 'to' })
    }
    replica.transferLeadership(member.replica)
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  raftAddress(node: NodeId): string | undefined {
    const registered = this.#view.node(node)?.raft
    return registered ?? this.#options.identity.members.find(({ id }) => id === node)?.raft
  }

  /** The same map as long as nothing in it changes: every frame to a peer asks for it. */
  raftAddresses(): ReadonlyMap<NodeId, string> {
    if (this.#addresses?.revision === this.#view.revision) return this.#addresses.all
    const all = new Map(this.#options.identity.members.map(({ id, raft }) => [id, raft]))
    for (const { id, raft } of this.#view.nodes()) all.set(id, raft)
    all.delete(this.self)
    this.#addresses = { revision: this.#view.revision, all }
    return all
  }

  register(record: Omit<NodeRecord, 'id'>): Promise<void> {
    return this.#requests.register({ id: this.self, ...record })
  }

  readPoint(): Promise<number> {
    return this.#requests.readPoint()
  }

  start(): void {
    if (this.#closed || this.#timer !== undefined) return
    this.#lookSoon()
    this.#tick()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#look?.cancel()
    this.#changes.close()
  }

  #tick(): void {
    if (this.#closed) return
    this.#reports.tick(TICK_MS)
    const accepts = this.#options.accepts()
    if (accepts !== this.#accepted) this.#sender.send()
    else this.#sender.tick()
    this.#accepted = accepts
    this.#balancer.tick()
    const living = this.#reports.living().join()
    const livingChanged = living !== this.#living
    this.#living = living
    if (livingChanged) this.#tell()
    this.#timer = this.#options.env.after(TICK_MS, () => this.#tick())
  }

  #lookSoon(): void {
    if (this.#closed) return
    const { env } = this.#options
    const waitMs = Math.max(LOOK_AFTER_MS, this.#lookedMs + LOOK_EVERY_MS - env.monoMs())
    this.#look ??= env.after(waitMs, () => {
      this.#look = undefined
      this.#lookedMs = env.monoMs()
      this.#lookNow()
    })
  }

  /** Goes on in the next turn with what is too much for one. */
  #lookNow(before = UNCHANGED): void {
    if (this.#closed) return
    const looked = this.#replicas.look(LOOKS_PER_TURN)
    const leadersChanged = before.leadersChanged || looked.leadersChanged
    const ledChanged = before.ledChanged || looked.ledChanged
    if (looked.more) {
      this.#options.env.endOfTurn(() => this.#lookNow({ leadersChanged, ledChanged }))
      return
    }
    if (ledChanged) this.#sender.send()
    if (leadersChanged) this.#tell()
  }

  #report(): LeaderReport {
    const { env, accepts } = this.#options
    return {
      node: this.self,
      leads: this.#replicas.leads(),
      accepts: accepts(),
      wallMs: Math.max(0, Math.trunc(env.wallMs())),
    }
  }

  #heard(report: LeaderReport): void {
    if (!this.raftAddresses().has(report.node)) return
    if (this.#reports.take(report)) this.#tell()
  }

  /** Whether the node has a replica of the group, and may lead it. */
  #carries(group: GroupId, node: NodeId): boolean {
    if (group === CATALOG_GROUP) return this.#options.identity.members.some(({ id }) => id === node)
    return this.#view.partitionOfGroup(group)?.replicas.some((replica) => replica.node === node) ?? false
  }

  #changed(): void {
    if (this.#view.revision === this.#revision) return
    this.#revision = this.#view.revision
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }

  #info({ id, name, grpc, version }: NodeRecord): NodeInfo {
    return { id, name, grpc, version, alive: this.alive(id) }
  }
}
