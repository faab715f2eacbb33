/**
 * One node, put together: ports, data folder, formation, shard of replicas, catalog, broker; and taken apart in the reverse
 * order. Nothing here decides anything; every part is built and closed in one place.
 */
import { joinHostPort } from '../base/address.ts'
import { realEnv } from '../base/real-env.ts'
import { createFormationTransport } from '../rpc/formation/client.ts'
import { routeGrpcLog } from '../rpc/grpc-log.ts'
import { formationVia } from './addresses.ts'
import type { NodeConfig } from './config/schema.ts'
import { Closers, type Context } from './context.ts'
import { usingData } from './data-error.ts'
import { checkDataFolder, makeDataFolder, refuseLostLog } from './data-folder.ts'
import { createIdentityStore, type IdentityFile } from './formation/identity-file.ts'
import { type Formation, runFormation, type Silent } from './formation/run-formation.ts'
import { adviceOnLog, adviceOnState, diskErrorCode, whyNoLog } from './observe/disk-advice.ts'
import type { Log } from './observe/log.ts'
import { createMetrics } from './observe/metrics/metrics.ts'
import { type Health, Readiness } from './observe/readiness.ts'
import { sayWaiting } from './observe/start-watch.ts'
import { ownAddress } from './own-address.ts'
import { openPorts, type Ports } from './ports.ts'
import { type ReadyInfo, serve } from './serve.ts'
import { StartError } from './start-error.ts'
import { heldByAnother, openStorage, type Storage } from './storage.ts'
import { wayOut } from './way-out.ts'

export interface RunningNode {
  /** Resolves once /readyz answers 200 for the first time. */
  readonly ready: Promise<ReadyInfo>
  /** Resolves with the reason when the node can no longer be trusted: the process must exit. */
  readonly failed: Promise<Error>
  /** Something threw that nobody caught. */
  fail(error: unknown): void
  /** Hands leaderships over, ends streams, makes the last checkpoints, closes everything; after a failure only the last. */
  stop(): Promise<void>
}

/** Rejects with StartError; resolves once ports and folder are open, which may be before the cluster is formed. */
export async function startNode(given: NodeConfig, log: Log): Promise<RunningNode> {
  const config = await withOwnAddress(given)
  const health: Health = { stopping: false, failed: false, disk: undefined, clockOk: true, notReady: 'starting' }
  const { failed, fail } = wayOut(log, health)
  const env = realEnv(fail)
  const readiness = new Readiness(env, health)
  readiness.observe((reasons) => {
    if (reasons.length === 0) log.info('in_service')
    else if (!health.stopping) log.warn('out_of_service', { reasons })
  })
  const metrics = createMetrics(env, config.name)
  const closers = new Closers()
  const context: Context = { config, log, env, metrics, health, readiness, closers, fail, failed }
  // Debug: what matters of it comes back as an error to whoever asked.
  routeGrpcLog((message) => log.debug('grpc', { message }))
  closers.push(() => metrics.close())
  closers.push(() => readiness.close())
  const waiting = sayWaiting(env, log, readiness)
  closers.push(() => waiting.close())
  try {
    const ports = await openPortsFirst(context)
    health.notReady = `opening data ${config.data}`
    const storage = await openData(context)
    health.notReady = 'forming the cluster'
    const { formation, formedBefore } = await openFormation(context, storage)
    ports.peers.form(formation)
    // Before what stands behind it; it may be closed twice.
    closers.push(() => ports.peers.close())
    const opened = { formedNow: !formedBefore, storage, ports }
    const ready = formation.formed().then((identity) => serve(context, { identity, ...opened }))
    ready.catch((error: unknown) => {
      // Stopped while it was still starting: what it was waiting for is refused, and that is no failure.
      if (!health.stopping) fail(error)
    })
    let stopped: Promise<void> | undefined
    const stop = () => {
      health.stopping = true
      health.notReady = health.failed ? 'failed' : 'stopping'
      formation.close()
      stopped ??= closers.run()
      return stopped
    }
    return { ready, failed, fail, stop }
  } catch (error) {
    await closers.run()
    throw error
  }
}

/** As the folder and the configuration say it together; changes nothing. */
async function withOwnAddress(config: NodeConfig): Promise<NodeConfig> {
  await checkDataFolder(config.data)
  const identity = await identityStore(config.data).read()
  return { ...config, advertiseAddr: await ownAddress(config, identity) }
}

/** What the system refuses of the file is told as a reason not to start. */
function identityStore(data: string): IdentityFile {
  const store = createIdentityStore(data)
  return {
    read: () => usingData(data, () => store.read()),
    write: (identity) => usingData(data, () => store.write(identity)),
    raise: () => usingData(data, () => store.raise()),
  }
}

/** Before anything is written. To a second process of this node the lock of its folder tells best what is wrong. */
async function openPortsFirst(context: Context): Promise<Ports> {
  try {
    return await openPorts(context)
  } catch (error) {
    const taken = error instanceof StartError && error.reason === 'PORT_IN_USE'
    throw (taken && (await heldByAnother(context.config.data))) || error
  }
}

async function openData({ config, env, log, health, metrics, closers, fail }: Context): Promise<Storage> {
  await makeDataFolder(config.data)
  await usingData(config.data, () => refuseLostLog(config.data))
  const storage = await openStorage({
    env,
    data: config.data,
    walRetainBytes: config.walRetainBytes,
    diskReserveBytes: config.diskReserveBytes,
    onFatal: fail,
    onWalState: (state, cause) => {
      health.disk = whyNoLog(state, cause, config.diskReserveBytes)
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

async function openFormation(
  { config, env, log, health, closers }: Context,
  { wal }: Storage,
): Promise<{ formation: Formation; formedBefore: boolean }> {
  const store = identityStore(config.data)
  const formedBefore = (await store.raise())?.state === 'formed'
  const [anyGroup] = wal.groups()
  const transport = formationVia(config, createFormationTransport())
  closers.push(() => transport.close())
  const self = { name: config.name, raft: joinHostPort(config.advertiseAddr, config.raftPort) }
  const formation = await runFormation({
    env,
    store,
    transport,
    name: config.name,
    members: config.initialCluster.length > 0 ? config.initialCluster : [self],
    hasData: anyGroup !== undefined,
    onWaiting: (silent) => {
      health.notReady = formationReason(silent)
      if (silent.length === 0) return
      log.info('formation_waiting', {
        for: silent.map(({ name }) => name),
        why: silent.map(({ name, raft, why }) => `${name} at ${raft}: ${why}`),
      })
    },
  })
  return { formation, formedBefore }
}

function formationReason(silent: readonly Silent[]): string {
  if (silent.length === 0) return 'forming the cluster: every node answers'
  const each = silent.map(({ name, raft, why }) => `${name} (${raft}: ${why})`)
  return `waiting for ${each.join(', ')} to form the cluster`
}
