/**
 * The power of all three nodes is cut while they work at full speed: SIGKILL, and then everything that no sync covered
 * is taken out of their data folders. What was acknowledged must still be there, on each of them.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Cluster } from '../../chaos/harness/cluster.ts'
import { Ledger } from '../../chaos/harness/ledger.ts'
import { projectFolder } from '../../chaos/harness/project-folder.ts'
import type { SandglassClient } from '../../src/client/index.ts'
import { AckingConsumer } from './acking-consumer.ts'
import { booksLedBy, caughtUp } from './led-books.ts'
import { buildShim, cutPower, underShim } from './power-cut.ts'
import { ShimmedCluster } from './shimmed-cluster.ts'
import { verify } from './verify.ts'

const ROOT = projectFolder(import.meta.dirname)
const TOPIC = 'work'
const UNSAFE = { SANDGLASS_UNSAFE_NO_FSYNC: '1' }

let folder = ''
let library = ''
let cluster: Cluster | undefined

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandglass-power-'))
  library = buildShim(folder)
})
afterEach(async () => {
  await cluster?.destroy()
  cluster = undefined
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Changes files in every way a node does, some before a sync and some after it, and dies without closing any. */
const WRITER = `
import fs from 'node:fs'
import { ClassicLevel } from 'classic-level'
const data = process.env.POWER_CUT_DATA
const at = (name) => data + '/' + name
const made = (name, text) => {
  const file = fs.openSync(at(name), 'wx+')
  fs.writeSync(file, text)
  return file
}
for (const name of ['removed', 'renamed', 'target']) fs.fsyncSync(made(name, name))
const log = made('log', 'synced|old|')
fs.fdatasyncSync(log)
const level = new ClassicLevel(at('level'))
await level.open()
await level.put('a', 'synced', { sync: true })
fs.fsyncSync(fs.openSync(data, 'r'))
await level.put('b', 'lost')
fs.writevSync(log, [Buffer.from('NEW'), Buffer.from('|lost')], 7)
fs.appendFileSync(at('log'), '|lost too')
fs.ftruncateSync(log, 5)
made('unborn', 'lost')
fs.renameSync(at('renamed'), at('target'))
fs.unlinkSync(at('removed'))
process.kill(process.pid, 'SIGKILL')
`

test('a cut takes what was not synced, and nothing else', async () => {
  const data = join(folder, 'data')
  const journal = join(folder, 'journal')
  mkdirSync(data)
  // In the project, where it finds its package.
  const child = spawn(process.execPath, ['--input-type=module', '-e', WRITER], {
    cwd: ROOT,
    env: { ...process.env, ...underShim(library, data, journal) },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const signal = await new Promise((done) => child.once('exit', (_, signal) => done(signal)))
  expect(signal).toBe('SIGKILL')
  expect(readdirSync(data).sort()).toEqual(['level', 'log', 'target', 'unborn'])
  const cut = cutPower(data, journal)
  expect(cut.names).toBe(3)
  expect(cut.bytes).toBeGreaterThan(0)
  expect(readdirSync(data).sort()).toEqual(['level', 'log', 'removed', 'renamed', 'target'])
  const read = (name: string) => readFileSync(join(data, name), 'utf8')
  expect(read('log')).toBe('synced|old|')
  for (const name of ['removed', 'renamed', 'target']) expect(read(name)).toBe(name)
  const level = new ClassicLevel(join(data, 'level'))
  await level.open()
  expect(await level.getMany(['a', 'b'])).toEqual(['synced', undefined])
  await level.close()
})

interface Run {
  readonly power: ShimmedCluster
  readonly cluster: Cluster
  readonly client: SandglassClient
  readonly ledger: Ledger
  readonly consumer: AckingConsumer
}

/** Produce and consume at full speed. */
async function underLoad(env: Readonly<Record<string, string>> = {}): Promise<Run> {
  const running = await Cluster.create()
  cluster = running
  const power = new ShimmedCluster(running, library)
  await power.start(env)
  const client = await running.client({ timeoutMs: 5000 })
  await client.topics.create({ name: TOPIC, partitions: 1, replicationFactor: 3 })
  const ledger = new Ledger({ client, topic: TOPIC, callers: 256 })
  await ledger.more(2000, 60_000)
  return { power, cluster: running, client, ledger, consumer: new AckingConsumer(client, TOPIC) }
}

/** Right behind an acknowledgement: the moment at which one that came before its sync is a lie. */
async function atAnAcknowledgement({ ledger }: Run): Promise<void> {
  const goal = ledger.acked.size + Math.floor(Math.random() * 2000)
  while (ledger.acked.size < goal) await new Promise((resolve) => setImmediate(resolve))
}

/** Anywhere in the life of a batch. */
async function atAnyMoment({ ledger }: Run): Promise<void> {
  await ledger.more(500 + Math.floor(Math.random() * 500), 30_000)
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 50))
}

describe('power goes on all three nodes under load', () => {
  test('and what was acknowledged is there exactly once, on each of them', async () => {
    const run = await underLoad()
    for (const moment of [atAnAcknowledgement, atAnyMoment]) {
      await moment(run)
      expect(await run.power.cut(run.cluster.nodes)).toBeGreaterThan(0)
      await run.power.start()
      await run.ledger.more(200, 30_000)
    }
    await run.ledger.stop()
    for (const { name } of run.cluster.nodes) {
      expect(await booksLedBy(name, { ...run, topic: TOPIC }), name).toMatchObject({ lost: 0, wrong: [] })
    }
    expect(run.ledger.acked.size).toBeGreaterThan(2900)
    await run.consumer.close()
    expect(run.consumer.cameAgain).toEqual([])
    expect(run.consumer.acked.size).toBeGreaterThan(0)
    for (const { name } of run.cluster.nodes) await caughtUp(run.cluster, name, 30_000)
    for (const node of run.cluster.nodes) {
      node.signal('SIGTERM')
      expect(await node.exited(15_000)).toEqual({ code: 0, signal: null })
      expect(verify(run.power.data(node)), node.name).toMatchObject({ status: 0 })
    }
  })

  test('and without fdatasync the same books do not hold', async () => {
    const run = await underLoad(UNSAFE)
    expect(await run.power.cut(run.cluster.nodes)).toBeGreaterThan(0)
    expect(run.ledger.acked.size).toBeGreaterThanOrEqual(2000)
    await run.ledger.stop()
    await run.consumer.close().catch(() => 'its topic may be gone')
    const refused = await run.cluster.start().then(
      () => false,
      () => true,
    )
    if (refused) return
    const books = await run.ledger.settle(run.cluster.addrs()).catch((error: Error) => error.message)
    if (typeof books === 'string') expect(books).toContain('TOPIC_NOT_FOUND')
    else expect(books.lost).toBeGreaterThan(0)
  })
})
