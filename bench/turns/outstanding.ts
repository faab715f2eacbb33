/** What as many outstanding messages as a group may have cost: their delivery, checkpoints, a restart, their end. */
import type { Cluster } from '../../chaos/harness/cluster.ts'
import { eventually } from '../../chaos/harness/deadline.ts'
import type { Delivery, SandglassClient } from '../../src/client/index.ts'
import { fill } from '../loads.ts'
import type { Report } from '../report.ts'
import type { Meter } from './metered.ts'
import { scraped } from './scraped.ts'

const TOPIC = 'outstanding'
const OUTSTANDING = 100_000
const BYTES = 64
/** Enough of these for a checkpoint or two. */
const LARGE = 8000
const LARGE_BYTES = 4096
const WAIT_MS = 120_000
const READY_MS = 60_000

export async function outstandingTurns(cluster: Cluster, report: Report, meter: Meter): Promise<void> {
  const client = await cluster.client({ timeoutMs: 30_000 })
  await client.topics.create({ name: TOPIC, partitions: 1, replicationFactor: 3 })
  await fill(client, TOPIC, OUTSTANDING, BYTES)
  const held: Delivery[] = []
  const consumer = client.consumer({ topic: TOPIC, group: 'g', name: 'c', credit: OUTSTANDING, leaseMs: 3_600_000 })
  await meter.turnsOf(report, `deliver ${OUTSTANDING}`, async () => {
    void take(consumer, held)
    await eventually('all to be delivered', WAIT_MS, () => held.length >= OUTSTANDING)
    return 'ok'
  })
  await meter.turnsOf(report, `checkpoints with ${OUTSTANDING} outstanding`, async () => {
    const before = await checkpoints(cluster)
    await fill(client, TOPIC, LARGE, LARGE_BYTES)
    return (await checkpoints(cluster)) > before ? 'ok' : 'no checkpoint was made'
  })
  await meter.turnsOf(report, `scrapes beside ${OUTSTANDING} outstanding`, () => scraped(cluster))
  await meter.turnsOf(report, `start of a node with ${OUTSTANDING} outstanding`, () => restart(cluster, client))
  await meter.turnsOf(report, `acknowledge ${OUTSTANDING}`, async () => {
    const settled = await Promise.allSettled(held.splice(0, OUTSTANDING).map((delivery) => delivery.ack()))
    const failed = settled.filter(({ status }) => status === 'rejected').length
    return failed === 0 ? 'ok' : `${failed} not acknowledged`
  })
  await consumer.close()
}

async function take(consumer: AsyncIterable<Delivery>, held: Delivery[]): Promise<void> {
  for await (const delivery of consumer) held.push(delivery)
}

/** Of a follower: the stream with the leases goes on. */
async function restart(cluster: Cluster, client: SandglassClient): Promise<string> {
  const leader = await cluster.leader(client, TOPIC, 0)
  const node = cluster.nodes.find(({ name }) => name !== leader)
  if (node === undefined) return 'no follower'
  await node.kill()
  node.start()
  await node.ready(READY_MS)
  return 'ok'
}

async function checkpoints(cluster: Cluster): Promise<number> {
  const texts = await Promise.all(cluster.nodes.map(({ name }) => cluster.metrics(name)))
  const counts = texts.map((text) => /^sandglass_checkpoint_seconds_count(?:\{[^}]*\})? (\S+)$/m.exec(text)?.[1])
  return counts.reduce((sum, count) => sum + Number(count ?? 0), 0)
}
