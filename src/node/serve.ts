/** From a formed cluster to a node that serves: the shard, the catalog, the broker, the public port. */
import { joinHostPort } from '../base/address.ts'
import { SandglassError } from '../base/errors.ts'
import { CATALOG_GROUP, type GroupId, type NodeId } from '../base/ids.ts'
import { VERSION } from '../base/version.ts'
import { createBroker } from '../broker/broker.ts'
import type { Broker } from '../broker/types.ts'
import type { GroupSpec } from '../replication/group.ts'
import { MultiRaft } from '../replication/multi-raft.ts'
import type { OwnDamage } from '../rpc/api-types.ts'
import { createControlClient } from '../rpc/control/client.ts'
import { createPeerTransport, type PeerTransport } from '../rpc/peer/transport.ts'
import { createCatalogView } from '../views/catalog/catalog-view.ts'
import { peerAddresses } from './addresses.ts'
import { type CatalogDirectory, createCatalogDirectory } from './catalog/catalog-directory.ts'
import type { CatalogHandle } from './catalog/catalog-handle.ts'
import { readKnownIds } from './catalog/known-ids.ts'
import { createReconciler } from './catalog/reconciler.ts'
import type { Context } from './context.ts'
import { ForeignFolder } from './foreign-folder.ts'
import type { Identity } from './formation/identity.ts'
import { watchForwardStep } from './forward-step.ts'
import { logBroker } from './observe/broker-log.ts'
import { LeadershipLines } from './observe/leadership-lines.ts'
import { RareLines } from './observe/rare-lines.ts'
import { logReplication } from './observe/replication-log.ts'
import type { Ports } from './ports.ts'
import { createReplicaHost } from './replica-host.ts'
import { StartError } from './start-error.ts'
import type { Storage } from './storage.ts'

export interface ReadyInfo {
  readonly name: string
  readonly grpc: string
  readonly http: string
  readonly raft: string
}

const DRAIN_MS = 3000

export interface Opened {
  readonly identity: Identity
  /** The cluster was formed just now. */
  readonly formedNow: boolean
  readonly storage: Storage
  readonly ports: Ports
}

/** From `formed` to ready: the shard, the catalog, the broker, the public port. */
export async function serve(context: Context, opened: Opened): Promise<ReadyInfo> {
  const { config, log, env, metrics, health, readiness, closers } = context
  const { identity, storage, ports } = opened
  if (opened.formedNow) log.info('formed', { nodes: identity.members.map(({ name }) => name) })
  log.info('started', { version: VERSION, nodeId: identity.nodeId, data: config.data })
  health.notReady = 'starting the catalog'
  // The directory needs the shard and the shard the directory's addresses; both are asked only once everything stands.
  const parts: { directory?: CatalogDirectory; catalog?: CatalogHandle } = {}
  const none: ReadonlyMap<NodeId, string> = new Map()
  const addresses = peerAddresses(config, identity, () => parts.directory?.raftAddresses() ?? none)
  const foreign = new ForeignFolder(identity.members.length, context.fail)
  const lines = new RareLines(env, log)
  const leaderships = new LeadershipLines(env, log, (group) => nameOf(parts.catalog, group))
  closers.push(() => leaderships.close())
  const { shard, transport } = openShard(context, opened, { addresses, foreign, lines, leaderships })
  const members = identity.members.map(({ id }) => ({ replica: id, node: id }))
  const catalog = await startCatalog(shard, { group: CATALOG_GROUP, replica: identity.nodeId, members })
  parts.catalog = catalog
  const control = createControlClient({
    clusterId: identity.clusterId,
    node: identity.nodeId,
    address: (node) => addresses().get(node),
  })
  closers.push(() => control.close())
  const directory = createCatalogDirectory({
    env,
    identity,
    catalog,
    replicas: shard,
    observe: (listener) => shard.observe(listener),
    control,
    accepts: () => health.disk === undefined && shard.fitToLead && health.clockOk && !health.stopping,
  })
  parts.directory = directory
  closers.push(() => directory.close())
  const broker = openBroker(context, directory, lines)
  const steps = watchForwardStep({
    env,
    broker,
    clocks: () => shard.clocks().values(),
    nodes: () => directory.nodes().length,
  })
  closers.push(() => steps.close())
  const onPeer = (node: NodeId) => {
    foreign.heard(node)
    transport.heard(node)
  }
  const knows = (node: NodeId) => directory.raftAddresses().has(node)
  ports.peers.serve({ identity, receiver: shard, control: directory.control, onPeer, knows, lines })
  directory.start()
  const reconciler = createReconciler({
    env,
    self: identity.nodeId,
    catalog,
    host: createReplicaHost(shard, storage.wal, broker),
    onError: (group, action, error) => log.error('replica_failed', { group, action, error: String(error) }),
  })
  closers.push(() => reconciler.close())
  const { api, apiPort, side, peers } = ports
  metrics.connect({
    broker: () => broker.survey(),
    others: () => ({
      raft: shard.stats(),
      wal: storage.wal.stats(),
      damage: storage.damage,
      peers: directory.nodes().filter(({ id }) => id !== identity.nodeId),
      clients: api.stats(),
    }),
  })
  api.open({ broker, directory, damage: () => unmended(shard, storage) })
  closers.push(async () => {
    api.setServing(false)
    // What was abandoned answers nobody any more.
    await api.drain(health.failed ? 0 : DRAIN_MS)
    api.close()
  })
  const advertised = (port: number) => joinHostPort(config.advertiseAddr, port)
  const own = { grpc: advertised(apiPort), http: advertised(side.port), raft: advertised(peers.port) }
  health.notReady = () => registering(directory, identity)
  await directory.register({ name: config.name, version: VERSION, ...own })
  // What is not written down now is found out again at the next start.
  const notKept = (error: unknown) => log.warn('wal_damage_not_kept', { error: String(error) })
  const known = await readKnownIds(catalog, identity.nodeId, () => directory.readPoint())
  await storage.losses.caughtUp(known).catch(notKept)
  reconciler.caughtUp()
  health.notReady = () => `starting replicas: ${reconciler.untried()} to go`
  await reconciler.settled()
  readiness.observe((reasons) => api.setServing(reasons.length === 0))
  health.notReady = undefined
  readiness.watch(() => directory.leaderOf(CATALOG_GROUP) !== 0)
  await readiness.ready()
  foreign.ready()
  log.info('ready', own)
  return { name: config.name, ...own }
}

/** Of a group, in log lines. */
function nameOf(catalog: CatalogHandle | undefined, group: GroupId): string {
  if (group === CATALOG_GROUP) return 'catalog'
  const partition = catalog?.view.partitionOfGroup(group)
  return partition === undefined ? `group ${group}` : `${partition.topic}/${partition.id}`
}

/** What is missing for that: a leader, or the nodes that would elect one. */
function registering(directory: CatalogDirectory, { members }: Identity): string {
  const silent = members.filter(({ id }) => !directory.alive(id)).map(({ name }) => name)
  const leader = members.find(({ id }) => id === directory.leaderOf(CATALOG_GROUP))
  const what =
    leader === undefined ? 'waiting for a leader of the catalog' : `registering with the catalog, led by ${leader.name}`
  return silent.length === 0 ? what : `${what}; silent: ${silent.join(', ')}`
}

/** Nothing can be served without it, and what starting refuses is what it found on the disk. */
async function startCatalog(shard: MultiRaft, spec: GroupSpec): Promise<CatalogHandle> {
  try {
    return await shard.start(spec, createCatalogView)
  } catch (error) {
    if (!(error instanceof SandglassError) || error.reason === 'SHUTTING_DOWN') throw error
    throw new StartError('DATA_DAMAGED', `Cannot start the catalog: ${error.message}`, { cause: error })
  }
}

function openShard(
  context: Context,
  { identity, storage }: Opened,
  {
    addresses,
    foreign,
    lines,
    leaderships,
  }: {
    addresses: () => ReadonlyMap<NodeId, string>
    foreign: ForeignFolder
    lines: RareLines
    leaderships: LeadershipLines
  },
): { shard: MultiRaft; transport: PeerTransport } {
  const { config, env, log, metrics, health, closers, fail, failed } = context
  const transport = createPeerTransport({
    env,
    clusterId: identity.clusterId,
    node: identity.nodeId,
    peers: addresses,
    onLinkError: (node, message) => {
      lines.warn('peer_link', node, { message })
      foreign.refused(node, message)
    },
  })
  closers.push(() => transport.close())
  const shard = new MultiRaft({
    env,
    node: identity.nodeId,
    wal: storage.wal,
    damage: storage.damage,
    lostBelow: () => storage.losses.lostBelow,
    state: storage.state,
    transport,
    timing: { heartbeatMs: config.heartbeatMs, electionMs: config.electionTimeoutMs },
    limits: {
      ...{ walRetainBytes: config.walRetainBytes, memoryBytes: config.memoryMaxBytes },
      snapshotBytesPerSecond: config.snapshotBytesPerSecond,
    },
    maxClockSkewMs: config.maxClockSkewMs,
    onFatal: fail,
    onEvent: (event) => {
      if (event.type === 'clock') health.clockOk = event.verdict !== 'skewed'
      if (event.type === 'checkpointed') metrics.checkpoint(event.ms)
      logReplication(log, event)
      leaderships.note(event)
    },
  })
  closers.push(() => shard.close())
  void failed.then((error) => shard.abandon(error))
  return { shard, transport }
}

function openBroker({ config, env, log, closers }: Context, directory: CatalogDirectory, lines: RareLines): Broker {
  const broker = createBroker({
    env,
    directory,
    config: { leaseMs: config.leaseMs, reattachMs: config.reattachMs, maxClockSkewMs: config.maxClockSkewMs },
    onEvent: (event) => logBroker(log, lines, event),
  })
  closers.push(() => broker.close())
  return broker
}

function unmended(shard: MultiRaft, { damage }: Storage): readonly OwnDamage[] {
  const log = damage.map(({ everyGroup: anyGroup, ...place }) => ({ ...place, part: 'log' as const, anyGroup }))
  const groups = shard.stats().stateLost
  const waiting = {
    part: 'state' as const,
    file: '',
    offset: 0,
    groups,
    anyGroup: false,
    reason: 'waits for a snapshot',
  }
  return groups.length === 0 ? log : [...log, waiting]
}
