/**
 * One node, put together: data folder, formation, shard of replicas, catalog, broker, public and side port; and taken
 * apart in the reverse order. Nothing here decides anything; every part is built and closed in one place.
 */
import { realEnv } from '../base/real-env.ts'
import { createFormationTransport } from '../rpc/formation/client.ts'
import { routeGrpcLog } from '../rpc/grpc-log.ts'
import { formationVia } from './addresses.ts'
import type { NodeConfig } from './config/schema.ts'
import { Closers, type Context, listening } from './context.ts'
import { prepareDataFolder, refuseLostLog } from './data-folder.ts'
import { createIdentityStore } from './formation/identity-file.ts'
import { type Formation, runFormation } from './formation/run-formation.ts'
import { adviceOnLog, adviceOnState, diskErrorCode } from './observe/disk-advice.ts'
import type { Log } from './observe/log.ts'
import { createMetrics } from './observe/metrics/metrics.ts'
import { type Health, Readiness } from './observe/readiness.ts'
import { openSidePort, type SidePort } from './observe/side-port.ts'
import { openPeerPort, type PeerPort } from './peer-port.ts'
import { type ReadyInfo, serve } from './serve.ts'
import { openStorage, type Storage } from './storage.ts'

export interface RunningNode {
  /** Resolves once /readyz answers 200 for the first time. */
  readonly ready: Promise<ReadyInfo>
  /** Resolves with the reason when the node can no longer be trusted: the process must exit. */
  readonly failed: Promise<Error>
  /** Hands leaderships over, ends streams, makes the last checkpoints, closes everything. */
  stop(): Promise<void>
}

/** Rejects with StartError; resolves once the ports are open, which may be before the cluster is formed. */
export async function startNode(config: NodeConfig, log: Log): Promise<RunningNode> {
  let fail: (error: Error) => void = () => undefined
  const failed = new Promise<Error>((resolve) => {
    fail = resolve
  })
  const env = realEnv()
  const health: Health = { stopping: false, walOk: true, clockOk: true, notReady: 'starting' }
  const readiness = new Readiness(env, health)
  readiness.observe((reasons) => {
    if (reasons.length === 0) log.info('in_service')
    else if (!health.stopping) log.warn('out_of_service', { reasons })
  })
  const metrics = createMetrics(env, config.name)
  const closers = new Closers()
  const context: Context = { config, log, env, metrics, health, readiness, closers, fail }
  // Debug: what matters of it comes back as an error to whoever asked.
  routeGrpcLog((message) => log.debug('grpc', { message }))
  closers.push(() => metrics.close())
  closers.push(() => readiness.close())
  try {
    // The folder first: its lock tells a second process of this node best what is wrong.
    const storage = await openData(context)
    const side = await openSide(context)
    const formation = await openFormation(context, storage)
    const peers = await openPeers(context, formation)
    const ready = formation.formed().then((identity) => serve(context, { identity, storage, peers, side }))
    ready.catch((error: unknown) => {
      // Stopped while it was still starting: what it was waiting for is refused, and that is no failure.
      if (!health.stopping) fail(error instanceof Error ? error : new Error(String(error)))
    })
    const stop = async () => {
      health.stopping = true
      health.notReady = 'stopping'
      formation.close()
      await closers.run()
    }
    return { ready, failed, stop }
  } catch (error) {
    await closers.run()
    throw error
  }
}

async function openSide({ config, metrics, readiness, closers }: Context): Promise<SidePort> {
  const probes = { metrics: () => metrics.render(), notReady: () => readiness.reasons() }
  const side = await listening(`http_port ${config.httpPort}`, openSidePort(config.bindAddr, config.httpPort, probes))
  closers.push(() => side.close())
  return side
}

async function openData({ config, env, log, health, metrics, closers, fail }: Context): Promise<Storage> {
  await prepareDataFolder(config.data)
  await refuseLostLog(config.data)
  const storage = await openStorage({
    env,
    data: config.data,
    walRetainBytes: config.walRetainBytes,
    diskReserveBytes: config.diskReserveBytes,
    onFatal: fail,
    onWalState: (state, cause) => {
      health.walOk = state === 'ok'
      if (cause !== undefined && state !== 'ok') metrics.diskError('log', diskErrorCode(cause))
      const error = cause === undefined ? {} : { error: String(cause) }
      log[state === 'failed' ? 'error' : 'warn']('wal_state', {
        state,
        ...error,
        action: adviceOnLog(state, cause, config.data),
      })
    },
    onBatch: ({ fsyncMs }) => metrics.walSync(fsyncMs),
    onStateError: (error) => {
      metrics.diskError('state', diskErrorCode(error))
      log.error('state_write_failed', { error: String(error), action: adviceOnState(error, config.data) })
    },
  })
  for (const damage of storage.damage) log.error('wal_damaged', { ...damage })
  closers.push(() => storage.close())
  return storage
}

async function openFormation({ config, env, log, health, closers }: Context, { wal }: Storage): Promise<Formation> {
  const store = createIdentityStore(config.data)
  await store.raise()
  const [anyGroup] = wal.groups()
  const transport = formationVia(config, createFormationTransport())
  closers.push(() => transport.close())
  const self = { name: config.name, raft: `${config.advertiseAddr}:${config.raftPort}` }
  return runFormation({
    env,
    store,
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
