/**
 * The leader's disk fails in every way a disk does while the cluster works. What passes is waited out: another node
 * leads, and the node serves again without a restart. What does not pass stops the node. Nothing acknowledged is lost,
 * and the node's log says what happened and what to do.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Cluster } from '../../chaos/harness/cluster.ts'
import { eventually } from '../../chaos/harness/deadline.ts'
import { Ledger } from '../../chaos/harness/ledger.ts'
import type { NodeProcess } from '../../chaos/harness/node-process.ts'
import type { SandglassClient } from '../../src/client/index.ts'
import { type DiskFault, FaultyDisk } from './disk-faults.ts'
import { booksLedBy, caughtUp } from './led-books.ts'
import { buildShim } from './power-cut.ts'

const TOPIC = 'work'
const LOG = 'shard-0/wal/'
const STATE = 'shard-0/state/'
const SERVICE_BACK_MS = 8000

let folder = ''
let library = ''
let end: () => Promise<void> = async () => undefined

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandglass-faults-'))
  library = buildShim(folder)
})
afterEach(async () => {
  await end()
  end = async () => undefined
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Run {
  readonly cluster: Cluster
  readonly client: SandglassClient
  readonly ledger: Ledger
  /** Leads the topic when its disk fails. */
  readonly victim: NodeProcess
  readonly disk: FaultyDisk
  /** Starts the victim again, on the same disk. */
  restart(): Promise<void>
}

async function atWork(): Promise<Run> {
  const cluster = await Cluster.create({ flags: { wal_retain_bytes: '16MiB', disk_reserve_bytes: '8MiB' } })
  const disks = new Map(cluster.nodes.map(({ name }) => [name, new FaultyDisk(join(cluster.folder, `${name}.faults`))]))
  end = async () => {
    for (const disk of disks.values()) disk.heal()
    await cluster.destroy()
    for (const disk of disks.values()) disk.close()
  }
  const start = (node: NodeProcess) => {
    node.start({ env: { ...disks.get(node.name)?.env(library, join(cluster.folder, node.name)) } })
  }
  cluster.nodes.forEach(start)
  await cluster.start()
  const client = await cluster.client({ timeoutMs: 5000 })
  for (const name of [TOPIC, 'bulk']) await client.topics.create({ name, partitions: 1, replicationFactor: 3 })
  const ledger = new Ledger({ client, topic: TOPIC, callers: 16 })
  await ledger.more(200)
  const victim = cluster.node(await cluster.leader(client, TOPIC, 0))
  const disk = disks.get(victim.name)
  if (disk === undefined) throw new Error('every node has a disk')
  const restart = async () => {
    start(victim)
    await victim.ready()
  }
  return { cluster, client, ledger, victim, disk, restart }
}

/** Enough to need new segments and a checkpoint. */
async function produceBulk(client: SandglassClient): Promise<void> {
  const producer = client.producer()
  const value = new Uint8Array(64 * 1024).fill(97)
  for (let i = 0; i < 16; i += 1) {
    await Promise.all(Array.from({ length: 32 }, () => producer.produce('bulk', { value })))
  }
  await producer.close()
}

interface Line {
  readonly event: string
  readonly state?: string
  readonly error?: string
  readonly action?: string
}

/** The newest line about it in the node's log. */
function lastLine(node: NodeProcess, event: string): Line | undefined {
  const lines = node.log().split('\n')
  return lines
    .filter((line) => line.includes(`"event":"${event}"`))
    .map((line) => JSON.parse(line) as Line)
    .at(-1)
}

async function metric(cluster: Cluster, name: string, sample: RegExp): Promise<number | undefined> {
  const text = await cluster.metrics(name)
  const found = text.split('\n').find((line) => sample.test(line))
  return found === undefined ? undefined : Number(found.slice(found.lastIndexOf(' ') + 1))
}

/** Everything acknowledged is on the victim, which leads from now on. */
async function settle({ cluster, client, ledger, victim }: Run): Promise<void> {
  await ledger.more(200, 30_000)
  await ledger.stop()
  await caughtUp(cluster, victim.name, 60_000)
  const books = await booksLedBy(victim.name, { cluster, client, ledger, topic: TOPIC })
  expect(books).toMatchObject({ lost: 0, wrong: [] })
}

async function othersLead({ cluster, client, ledger, victim }: Run, failedAt: number): Promise<void> {
  await eventually('another node leads', 15_000, async () => (await cluster.leader(client, TOPIC, 0)) !== victim.name)
  await ledger.more(500, 30_000)
  expect(ledger.longestGap(failedAt)).toBeLessThan(SERVICE_BACK_MS)
}

describe('a fault of the log that passes', () => {
  test.each<{ fault: DiskFault; state: string; code?: string; action: RegExp }>([
    { fault: 'enospc', state: 'full', code: 'ENOSPC', action: /make room/ },
    { fault: 'short', state: 'full', code: 'SHORT', action: /make room/ },
    { fault: 'emfile', state: 'full', code: 'EMFILE', action: /LimitNOFILE/ },
    { fault: 'stuck-sync', state: 'stuck', action: /does not answer/ },
  ])('$fault: others lead, and the node serves again without a restart', async ({ fault, state, code, action }) => {
    const run = await atWork()
    const { cluster, client, victim, disk } = run
    const { pid } = victim
    disk.fail(fault, LOG)
    const failedAt = performance.now()
    if (fault === 'emfile') await produceBulk(client)
    await eventually('the node says so', 15_000, () => lastLine(victim, 'wal_state')?.state === state)
    expect(lastLine(victim, 'wal_state')?.action).toMatch(action)
    expect(await metric(cluster, victim.name, new RegExp(`^sandglass_wal_state{.*state="${state}"`))).toBe(1)
    if (code !== undefined) {
      const sample = new RegExp(`^sandglass_disk_errors_total{.*part="log",code="${code}"`)
      expect(await metric(cluster, victim.name, sample)).toBeGreaterThan(0)
    }
    await othersLead(run, failedAt)
    disk.heal()
    await eventually('the log is well', 15_000, () => lastLine(victim, 'wal_state')?.state === 'ok')
    await settle(run)
    expect(victim.pid).toBe(pid)
  })
})

describe('a fault of the log that does not pass', () => {
  test.each<{ fault: DiskFault; code: string; action: RegExp }>([
    { fault: 'eio-write', code: 'EIO', action: /check the disk/ },
    { fault: 'eio-sync', code: 'what is durable is unknown', action: /check the disk/ },
    { fault: 'erofs', code: 'EROFS', action: /read-only/ },
  ])('$fault: the node stops, others lead, and it comes back with all it had', async ({ fault, code, action }) => {
    const run = await atWork()
    const { cluster, victim, disk, restart } = run
    disk.fail(fault, LOG)
    const failedAt = performance.now()
    expect(await victim.exited(15_000)).toEqual({ code: 70, signal: null })
    expect(lastLine(victim, 'wal_state')).toMatchObject({ state: 'failed', error: expect.stringContaining(code) })
    expect(lastLine(victim, 'wal_state')?.action).toMatch(action)
    await othersLead(run, failedAt)
    const other = cluster.nodes.find(({ name }) => name !== victim.name)?.name ?? ''
    const up = new RegExp(`^sandglass_peer_up{.*peer="${victim.name}"`)
    await eventually('its absence is known', 5000, async () => (await metric(cluster, other, up)) === 0)
    disk.heal()
    await restart()
    await settle(run)
  })
})

describe('a fault of the state', () => {
  test.each<{ fault: DiskFault; code: string; action: RegExp }>([
    { fault: 'enospc', code: 'ENOSPC', action: /make room/ },
    { fault: 'eio-write', code: 'EIO', action: /check the disk/ },
    { fault: 'eio-sync', code: 'EIO', action: /check the disk/ },
    { fault: 'emfile', code: 'EMFILE', action: /LimitNOFILE/ },
  ])('$fault: the log keeps everything until a checkpoint can be written again', async ({ fault, code, action }) => {
    const run = await atWork()
    const { cluster, client, ledger, victim, disk } = run
    const { pid } = victim
    disk.fail(fault, STATE)
    await produceBulk(client)
    await eventually('the node says so', 30_000, () => lastLine(victim, 'state_write_failed'))
    expect(lastLine(victim, 'state_write_failed')?.action).toMatch(action)
    const sample = new RegExp(`^sandglass_disk_errors_total{.*part="state",code="${code}"`)
    expect(await metric(cluster, victim.name, sample)).toBeGreaterThan(0)
    await ledger.more(200, 30_000)
    const count = /^sandglass_checkpoint_seconds_count/
    const before = (await metric(cluster, victim.name, count)) ?? 0
    disk.heal()
    await eventually('a checkpoint', 30_000, async () => ((await metric(cluster, victim.name, count)) ?? 0) > before)
    await settle(run)
    expect(victim.pid).toBe(pid)
  })
})
