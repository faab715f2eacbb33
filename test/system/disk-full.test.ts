/**
 * The leader's disk fills up to the last byte while it works. The data of each node lies on a small file system of its
 * own, mounted where only the node sees it (user and mount namespaces: no root needed).
 */
import { closeSync, existsSync, openSync, readdirSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Cluster } from '../../chaos/harness/cluster.ts'
import { eventually } from '../../chaos/harness/deadline.ts'
import { Ledger } from '../../chaos/harness/ledger.ts'
import { type SandglassClient, SandglassError } from '../../src/client/index.ts'
import { behind, booksLedBy, caughtUp } from './led-books.ts'

const TOPIC = 'work'
const MIB = 1024 * 1024
const SERVICE_BACK_MS = 5000
/** `exec` all the way: the process that is started is the node, and hears the signals. */
const mountOf = (size: string) => `mkdir "$0" && mount -t tmpfs -o size=${size} none "$0" && exec "$@"`
const MOUNT = mountOf('400m')

let cluster: Cluster | undefined

afterEach(async () => {
  await cluster?.destroy()
  cluster = undefined
})

/** The node's data folder as seen from outside of its namespace. */
function dataOf(running: Cluster, name: string): string {
  return join('/proc', String(running.node(name).pid), 'root', running.folder, name)
}

/** Takes every byte but `left`. */
function fill(path: string, left = 0): void {
  const file = openSync(path, 'w')
  const { bavail, bsize } = statfsSync(path)
  let wanted = bavail * bsize - left
  const zeros = new Uint8Array(MIB)
  try {
    for (let size = zeros.byteLength; size >= 4096 && wanted > 0; ) {
      try {
        wanted -= writeSync(file, zeros, 0, Math.min(size, left > 0 ? wanted : size))
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
        size /= 2
      }
    }
  } finally {
    closeSync(file)
  }
}

/** More than a checkpoint holds, so that the state must reach the disk as well. */
async function produceBulk(client: SandglassClient, mib = 32): Promise<void> {
  const producer = client.producer()
  const value = new Uint8Array(64 * 1024).fill(97)
  for (let i = 0; i < mib / 2; i += 1) {
    await Promise.all(Array.from({ length: 32 }, () => producer.produce('bulk', { value })))
  }
  await producer.close()
}

async function onSmallDisks(
  nodes = 3,
  flags = { disk_reserve_bytes: '8MiB', wal_retain_bytes: '64MiB' },
): Promise<{ running: Cluster; client: SandglassClient }> {
  const running = await Cluster.create({
    nodes,
    flags,
    wrapper: (data) => ['unshare', '-rm', 'sh', '-c', MOUNT, data],
  })
  cluster = running
  await running.start()
  const client = await running.client()
  for (const topic of [TOPIC, 'bulk']) {
    await client.topics.create({ name: topic, partitions: 1, replicationFactor: nodes })
  }
  return { running, client }
}

test('the leader’s disk is full: others lead, nothing is lost, and with room again it catches up and leads', async () => {
  const { running, client } = await onSmallDisks()
  const ledger = new Ledger({ client, topic: TOPIC, callers: 16 })
  await ledger.more(200)
  const name = await running.leader(client, TOPIC, 0)
  const node = running.node(name)
  const ballast = join(dataOf(running, name), 'ballast')

  const filledAt = performance.now()
  fill(ballast)
  await eventually('the log is full', 10_000, () => lastWalState(node.log()) === 'full')
  await eventually('another node leads', 10_000, async () => (await running.leader(client, TOPIC, 0)) !== name)
  await ledger.more(500)
  expect(ledger.longestGap(filledAt)).toBeLessThan(SERVICE_BACK_MS)
  await produceBulk(client)
  // More than the reserve: there is no room for it, whatever the node gives up.
  expect(await behind(running, name)).toBeGreaterThan(0)
  expect(existsSync(join(dataOf(running, name), 'shard-0/wal/reserve'))).toBe(false)
  await ledger.more(200)
  expect(node.running).toBe(true)
  expect((await fetch(`http://127.0.0.1:${running.httpPort(name)}/livez`)).status).toBe(200)
  expect(lastWalState(node.log())).toBe('full')

  rmSync(ballast)
  await eventually('the log has room', 15_000, () => lastWalState(node.log()) === 'ok')
  await ledger.more(200)
  await ledger.stop()
  await caughtUp(running, name, 60_000)
  const books = await booksLedBy(name, { cluster: running, client, ledger, topic: TOPIC })
  expect(books).toMatchObject({ lost: 0, wrong: [] })
  expect(books.acked).toBeGreaterThan(1100)
})

test('little room on all disks: proposals are refused before a write fails, and served again when there is room', async () => {
  const { running, client } = await onSmallDisks()
  const ledger = new Ledger({ client, topic: TOPIC, callers: 16 })
  await ledger.more(200)
  const ballasts = running.nodes.map(({ name }) => join(dataOf(running, name), 'ballast'))
  // Below the watermark of two reserves, above what the work needs.
  for (const ballast of ballasts) fill(ballast, 12 * MIB)
  for (const node of running.nodes) {
    await eventually(`the watermark of ${node.name}`, 10_000, () => lastWalState(node.log()) === 'full')
  }
  const impatient = await running.client({ timeoutMs: 2000 })
  const outcomes: string[] = []
  await eventually('a refusal', 60_000, async () => {
    // One that is on its way when the time is over is unknown, and says nothing.
    outcomes.push(
      await impatient
        .producer()
        .produce(TOPIC, { value: 'refused' })
        .then(() => 'stored', reasonOf),
    )
    return outcomes.at(-1) === 'DISK_FULL'
  })
  expect(outcomes).not.toContain('stored')
  for (const { name } of running.nodes) {
    // No write has failed: the reserve is still there.
    expect(existsSync(join(dataOf(running, name), 'shard-0/wal/reserve')), name).toBe(true)
  }
  for (const ballast of ballasts) rmSync(ballast)
  for (const node of running.nodes) {
    await eventually(`room on ${node.name}`, 10_000, () => lastWalState(node.log()) === 'ok')
  }
  await ledger.more(500, 30_000)
  await ledger.stop()
  expect(await ledger.settle(running.addrs())).toMatchObject({ lost: 0, wrong: [] })
})

test('not a byte left: the reserve lets a checkpoint be written, the log behind it goes, and the node serves by itself', async () => {
  // A log of one segment of up to 64 MiB, which nobody but its size would ever end.
  const { running, client } = await onSmallDisks(1, { disk_reserve_bytes: '16MiB', wal_retain_bytes: '256MiB' })
  await produceBulk(client, 56)
  const [node] = running.nodes
  const { name = '', pid = 0 } = node ?? {}
  const log = join(dataOf(running, name), 'shard-0/wal')
  expect(walBytes(log)).toBeGreaterThan(50 * MIB)
  const ballast = join(dataOf(running, name), 'ballast')
  fill(ballast)
  const ledger = new Ledger({ client, topic: TOPIC, callers: 16 })
  await eventually('the log is full', 15_000, () => lastWalState(node?.log() ?? '') === 'full')
  await eventually('the log has room', 60_000, () => lastWalState(node?.log() ?? '') === 'ok')
  expect(walBytes(log)).toBeLessThan(20 * MIB)
  expect(existsSync(ballast)).toBe(true)
  await ledger.more(500, 30_000)
  await ledger.stop()
  expect(await ledger.settle(running.addrs())).toMatchObject({ lost: 0, wrong: [] })
  expect(node?.pid).toBe(pid)
})

test('a disk that is smaller than what is to stay free: the node that starts on it says so, and not only what it waits for', async () => {
  cluster = await Cluster.create({ nodes: 1, wrapper: (data) => ['unshare', '-rm', 'sh', '-c', mountOf('40m'), data] })
  const [node] = cluster.nodes
  node?.start()
  const url = `http://127.0.0.1:${cluster.httpPort('n1')}/readyz`
  const reasons = await eventually('the reason', 20_000, async () => {
    const text = await fetch(url).then((response) => response.text(), String)
    return text.includes('catalog, led by n1') ? text : undefined
  })
  expect(reasons.trimEnd().split('\n')).toEqual([
    'registering with the catalog, led by n1',
    `the disk is full: less than ${128 * MIB} bytes, twice disk_reserve_bytes, are free`,
  ])
  expect(lastWalState(node?.log() ?? '')).toBe('full')
})

function reasonOf(error: unknown): string {
  return error instanceof SandglassError ? error.reason : String(error)
}

/** Of its segments. */
function walBytes(folder: string): number {
  const segments = readdirSync(folder).filter((name) => name.endsWith('.wal'))
  return segments.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

/** As its log says it, 'ok' before it said anything. */
function lastWalState(log: string): string {
  const states = [...log.matchAll(/"state":"(ok|full|failed)"[^\n]*"event":"wal_state"/g)]
  return states.at(-1)?.[1] ?? 'ok'
}
