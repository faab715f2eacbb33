/**
 * One node, put together: data folder, formation, shard of replicas, catalog, broker, public and side port; and taken
 * apart in the reverse order. Nothing here decides anything; every part is built and closed in one place.
 */
import { mkdir } from 'node:fs/promises'
import type { Env } from '../base/env.ts'
import { CATALOG_GROUP } from '../base/ids.ts'
import { realEnv } from '../base/real-env.ts'
import { VERSION } from '../base/version.ts'
import { createBroker } from '../broker/broker.ts'
import type { Broker } from '../broker/types.ts'
import { MultiRaft } from '../replication/multi-raft.ts'
import { createApiServer } from '../rpc/api-server.ts'
import type { ApiServer } from '../rpc/api-types.ts'
import { createControlClient } from '../rpc/control-client.ts'
import { createFormationTransport } from '../rpc/formation-client.ts'
import { createPeerTransport } from '../rpc/peer-transport.ts'
import { createCatalogView } from '../views/catalog/catalog-view.ts'
import { formationVia, peerAddresses } from './addresses.ts'
import { type CatalogDirectory, createCatalogDirectory } from './catalog/catalog-directory.ts'
import { createReconciler } from './catalog/reconciler.ts'
import type { NodeConfig } from './config/schema.ts'
import type { Identity } from './formation/identity.ts'
import { createIdentityStore } from './formation/identity-file.ts'
import { type Formation, runFormation } from './formation/run-formation.ts'
import { watchForwardStep } from './forward-step.ts'
import { logBroker } from './observe/broker-log.ts'
import type { Log } from './observe/log.ts'
import { createMetrics, type Metrics } from './observe/metrics.ts'
import { logReplication } from './observe/replication-log.ts'
import { openSidePort, type SidePort } from './observe/side-port.ts'
import { openPeerPort, type PeerPort } from './peer-port.ts'
import { createReplicaHost } from './replica-host.ts'
import { StartError } from './start-error.ts'
import { openStorage, type Storage } from './storage.ts'

export interface ReadyInfo {
  readonly name: string
  readonly grpc: string
  readonly http: string
  readonly raft: string
}

export interface RunningNode {
  /** Resolves once /readyz answers 200 for the first time. */
  readonly ready: Promise<ReadyInfo>
  /** Resolves with the reason when the node can no longer be trusted: the process must exit. */
  readonly failed: Promise<Error>
  /** Hands leaderships over, ends streams, makes the last checkpoints, closes everything. */
  stop(): Promise<void>
}

/** Everything that is closed, the last opened first. */
class Closers {
  readonly #closers: (() => Promise<void> | void)[] = []

  push(close: () => Promise<void> | void): void {
    this.#closers.push(close)
  }

  /** Goes on past a failure, then throws the first. */
  async run(): Promise<void> {
    const errors: unknown[] = []
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) {
      try {
        await close()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }
}

/** Mutable facts that several parts ask for. */
interface Health {
  stopping: boolean
  walOk: boolean
  clockOk: boolean
  notReady: string | undefined
}

interface Context {
  readonly config: NodeConfig
  readonly log: Log
  readonly env: Env
  readonly metrics: Metrics
  readonly health: Health
  readonly closers: Closers
  readonly fail: (error: Error) => void
}

const DRAIN_MS = 3000

/** Rejects with StartError; resolves once the ports are open, which may be before the cluster is formed. */
export async function startNode(config: NodeConfig, log: Log): Promise<RunningNode> {
  let fail: (error: Error) => void = () => undefined
  const failed = new Promise<Error>((resolve) => {
    fail = resolve
  })
  const context: Context = {
    config,
    log,
    env: realEnv(),
    metrics: createMetrics(config.name),
    health: { stopping: false, walOk: true, clockOk: true, notReady: 'starting' },
    closers: new Closers(),
    fail,
  }
  const { closers, metrics } = context
  closers.push(() => metrics.close())
  try {
    // The folder first: its lock tells a second process of this node best what is wrong.
    const storage = await openData(context)
    const side = await openSide(context)
    const formation = await openFormation(context, storage)
    const peers = await openPeers(context, formation)
    const ready = formation.formed().then((identity) => serve(context, { identity, storage, peers, side }))
    ready.catch((error: unknown) => fail(error instanceof Error ? error : new Error(String(error))))
    const stop = async () => {
      context.health.stopping = true
      context.health.notReady = 'stopping'
      formation.close()
      await closers.run()
    }
    return { ready, failed, stop }
  } catch (error) {
    await closers.run()
    throw error
  }
}

async function openSide({ config, metrics, health, closers }: Context): Promise<SidePort> {
  const probes = { metrics: () => metrics.render(), notReady: () => health.notReady }
  const side = await listening(`http_port ${config.httpPort}`, openSidePort(config.bindAddr, config.httpPort, probes))
  closers.push(() => side.close())
  return side
}

async function openData({ config, env, log, health, metrics, closers, fail }: Context): Promise<Storage> {
  await mkdir(config.data, { recursive: true })
  const storage = await openStorage({
    env,
    data: config.data,
    walRetainBytes: config.walRetainBytes,
    diskReserveBytes: config.diskReserveBytes,
    onFatal: fail,
    onWalState: (state) => {
      health.walOk = state === 'ok'
      log.warn('wal_state', { state })
    },
    onBatch: ({ fsyncMs }) => metrics.walSync(fsyncMs),
    onStateError: (error) => log.error('state_write_failed', { error: String(error) }),
  })
  for (const damage of storage.damage) log.error('wal_damaged', { ...damage })
  closers.push(() => storage.close())
  return storage
}

async function openFormation({ config, env, log, health, closers }: Context, { wal }: Storage): Promise<Formation> {
  const [anyGroup] = wal.groups()
  const transport = formationVia(config, createFormationTransport())
  closers.push(() => transport.close())
  const self = { name: config.name, raft: `${config.advertiseAddr}:${config.raftPort}` }
  return runFormation({
    env,
    store: createIdentityStore(config.data),
    transport,
    name: config.name,
    members: config.initialCluster.length > 0 ? config.initialCluster : [self],
    hasData: anyGroup !== undefined,
    onWaiting: (silent) => {
      health.notReady = `waiting for ${silent.join(', ')} to form the cluster`
      log.info('formation_waiting', { for: silent })
    },
  })
}

async function openPeers({ config, closers }: Context, formation: Formation): Promise<PeerPort> {
  const address = `${config.bindAddr}:${config.raftPort}`
  const peers = await listening(`raft_port ${config.raftPort}`, openPeerPort(address, formation))
  closers.push(() => peers.close())
  return peers
}

interface Opened {
  readonly identity: Identity
  readonly storage: Storage
  readonly peers: PeerPort
  readonly side: SidePort
}

/** From `formed` to ready: the shard, the catalog, the broker, the public port. */
async function serve(context: Context, opened: Opened): Promise<ReadyInfo> {
  const { config, log, env, metrics, health, closers } = context
  const { identity, storage, peers, side } = opened
  log.info('formed', { cluster: identity.clusterId, node: identity.nodeId })
  health.notReady = 'starting replicas'
  // The directory needs the shard and the shard the directory's addresses; both are asked only once everything stands.
  const parts: { directory?: CatalogDirectory } = {}
  const addresses = () => peerAddresses(config, identity, parts.directory?.raftAddresses() ?? new Map())
  const shard = openShard(context, opened, addresses)
  const members = identity.members.map(({ id }) => ({ replica: id, node: id }))
  const catalog = await shard.start({ group: CATALOG_GROUP, replica: identity.nodeId, members }, createCatalogView)
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
    replicas: () => shard.handles(),
    control,
    accepts: () => health.walOk && health.clockOk && !health.stopping,
  })
  parts.directory = directory
  closers.push(() => directory.close())
  const broker = openBroker(context, directory)
  const steps = watchForwardStep({
    env,
    broker,
    clocks: () => shard.clocks().values(),
    nodes: () => directory.nodes().length,
  })
  closers.push(() => steps.close())
  peers.serve({ identity, receiver: shard, control: directory.control })
  directory.start()
  const reconciler = createReconciler({
    env,
    self: identity.nodeId,
    catalog,
    host: createReplicaHost(shard, storage.wal, broker),
    onError: (group, action, error) => log.error('replica_failed', { group, action, error: String(error) }),
  })
  closers.push(() => reconciler.close())
  metrics.connect({ broker: () => broker.stats(), raft: () => shard.stats(), wal: () => storage.wal.stats() })
  const { api, port } = await openApi(context, broker, directory)
  const advertised = (p: number) => `${config.advertiseAddr}:${p}`
  const own = { grpc: advertised(port), http: advertised(side.port), raft: advertised(peers.port) }
  await directory.register({ name: config.name, version: VERSION, ...own })
  await reconciler.settled()
  api.setServing(true)
  health.notReady = undefined
  log.info('ready', own)
  return { name: config.name, ...own }
}

function openShard(
  context: Context,
  { identity, storage }: Opened,
  peers: () => ReadonlyMap<number, string>,
): MultiRaft {
  const { config, env, log, metrics, health, closers, fail } = context
  const transport = createPeerTransport({
    env,
    clusterId: identity.clusterId,
    node: identity.nodeId,
    peers,
    onLinkError: (node, message) => log.warn('peer_link', { peer: node, message }),
  })
  closers.push(() => transport.close())
  const shard = new MultiRaft({
    env,
    node: identity.nodeId,
    wal: storage.wal,
    damage: storage.damage,
    state: storage.state,
    transport,
    timing: { heartbeatMs: config.heartbeatMs, electionMs: config.electionTimeoutMs },
    limits: { walRetainBytes: config.walRetainBytes },
    maxClockSkewMs: config.maxClockSkewMs,
    onFatal: fail,
    onEvent: (event) => {
      if (event.type === 'clock') health.clockOk = event.verdict !== 'skewed'
      if (event.type === 'checkpointed') metrics.checkpoint(event.ms)
      logReplication(log, event)
    },
  })
  closers.push(() => shard.close())
  return shard
}

function openBroker({ config, env, log, metrics, closers }: Context, directory: CatalogDirectory): Broker {
  const broker = createBroker({
    env,
    directory,
    config: { leaseMs: config.leaseMs, reattachMs: config.reattachMs, maxClockSkewMs: config.maxClockSkewMs },
    onLateness: (topic, ms) => metrics.lateness(topic, ms),
    onEvent: (event) => logBroker(log, event),
  })
  closers.push(() => broker.close())
  return broker
}

async function openApi(
  { config, env, metrics, closers }: Context,
  broker: Broker,
  directory: CatalogDirectory,
): Promise<{ api: ApiServer; port: number }> {
  const api = createApiServer({ env, broker, directory, onCall: (method, code, ms) => metrics.call(method, code, ms) })
  closers.push(async () => {
    api.setServing(false)
    await api.drain(DRAIN_MS)
    api.close()
  })
  const port = await listening(`grpc_port ${config.grpcPort}`, api.listen(`${config.bindAddr}:${config.grpcPort}`))
  return { api, port }
}

async function listening<T>(what: string, opening: Promise<T>): Promise<T> {
  try {
    return await opening
  } catch (error) {
    throw new StartError(
      'PORT_IN_USE',
      `Cannot listen on ${what}: ${error instanceof Error ? error.message : error}`,
      error,
    )
  }
}
