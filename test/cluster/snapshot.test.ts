/** A follower further behind than the log reaches, three real processes, produce running meanwhile, books kept. */
import { afterEach, expect, test } from 'vitest'
import { Cluster } from '../../chaos/harness/cluster.ts'
import { eventually } from '../../chaos/harness/deadline.ts'
import { Ledger } from '../../chaos/harness/ledger.ts'
import type { NodeProcess } from '../../chaos/harness/node-process.ts'
import type { SandglassClient } from '../../src/client/index.ts'
import { booksLedBy } from '../system/led-books.ts'

const TOPIC = 'work'
/** Sent at this rate the state below is on its way for some seconds: time to see it and to kill. */
const FLAGS = { wal_retain_bytes: '256KiB', snapshot_bytes_per_second: '4MiB' }
const BULK_BYTES = 512 * 1024
const BULK_MESSAGES = 48
const TRANSFER_MS = 60_000

let cluster: Cluster | undefined

afterEach(async () => {
  await cluster?.destroy()
  cluster = undefined
})

interface Behind {
  readonly cluster: Cluster
  readonly client: SandglassClient
  readonly ledger: Ledger
  readonly leader: NodeProcess
  readonly follower: NodeProcess
  readonly other: NodeProcess
}

/** The follower was killed, the log was released behind it, and it comes back; produce never ended. */
async function behind(): Promise<Behind> {
  const started = await Cluster.create({ flags: FLAGS })
  cluster = started
  await started.start()
  const client = await started.client()
  await client.topics.create({ name: TOPIC, partitions: 1, replicationFactor: 3 })
  const leader = started.node(await started.leader(client, TOPIC, 0))
  const [follower, other] = started.nodes.filter((node) => node !== leader)
  if (follower === undefined || other === undefined) throw new Error('three nodes')
  const ledger = new Ledger({ client, topic: TOPIC, callers: 8, pauseMs: 20 })
  await ledger.more(100)
  await follower.kill()
  const producer = client.producer()
  for (let i = 0; i < BULK_MESSAGES; i += 4) {
    const values = [0, 1, 2, 3].map((n) => `bulk-${i + n}-`.padEnd(BULK_BYTES, 'x'))
    await Promise.all(values.map((value) => producer.produce(TOPIC, { value })))
  }
  await ledger.more(20)
  follower.start()
  await begun(follower, 1)
  return { cluster: started, client, ledger, leader, follower, other }
}

/** The first chunk of the receiver's `n`th snapshot is on its disk. */
function begun(receiver: NodeProcess, n: number): Promise<unknown> {
  return eventually(`snapshot ${n} begins`, TRANSFER_MS, () => receiver.said('snapshot_begun') >= n)
}

function installed(receiver: NodeProcess): Promise<unknown> {
  return eventually('a snapshot is installed', TRANSFER_MS, () => receiver.said('snapshot_installed') > 0)
}

/** The follower comes to lead, having applied all that was committed, and everything is read from it. */
async function expectWhole({ cluster, client, ledger, follower }: Behind): Promise<void> {
  await ledger.stop()
  const summary = await booksLedBy(follower.name, { cluster, client, ledger, topic: TOPIC })
  expect(summary).toMatchObject({ lost: 0, wrong: [] })
  expect(summary.stored).toBeGreaterThanOrEqual(summary.acked + BULK_MESSAGES)
}

test('a follower behind the log catches up by a snapshot while writes go on, and has everything', async () => {
  const all = await behind()
  const acked = all.ledger.acked.size
  await installed(all.follower)
  expect(all.ledger.acked.size).toBeGreaterThan(acked)
  expect(all.follower.said('snapshot_begun')).toBe(1)
  await eventually('the leader says so', 10_000, () => all.leader.said('snapshot_sent') === 1)
  await all.follower.ready()
  await all.ledger.more(50)
  await expectWhole(all)
})

test('a leader killed while it sends a snapshot: the next leader sends one, and nothing is lost', async () => {
  const all = await behind()
  await all.leader.kill()
  expect(all.follower.said('snapshot_installed')).toBe(0)
  // Of two the follower is one: nothing commits before it has caught up.
  await installed(all.follower)
  await eventually('the next leader says that it sent it', 10_000, () => all.other.said('snapshot_sent') === 1)
  await all.ledger.more(50, TRANSFER_MS)
  all.leader.start()
  await all.leader.ready()
  await expectWhole(all)
})

test('a follower killed while it receives a snapshot starts again from nothing of it, and nothing is lost', async () => {
  const all = await behind()
  await all.follower.kill()
  expect(all.follower.said('snapshot_installed')).toBe(0)
  await eventually('the leader sees it end', 30_000, () => all.leader.said('snapshot_failed') > 0)
  await all.ledger.more(20)
  all.follower.start()
  await begun(all.follower, 2)
  await installed(all.follower)
  await all.follower.ready()
  await all.ledger.more(50)
  await expectWhole(all)
})
