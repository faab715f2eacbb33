/** What a node with many partitions costs: their creation, their ticks and reports, another leader, a start. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Cluster } from '../../chaos/harness/cluster.ts'
import { eventually } from '../../chaos/harness/deadline.ts'
import { statusOf } from '../../chaos/harness/status.ts'
import type { SandglassClient } from '../../src/client/index.ts'
import type { Report } from '../report.ts'
import type { Meter } from './metered.ts'
import { scraped } from './scraped.ts'

const TOPIC = 'partitions'
const PARTITIONS = 1000
const STATUSES = 5
const WATCHED_MS = 10_000
const LEADERS_MS = 120_000

export async function partitionTurns(cluster: Cluster, report: Report, meter: Meter): Promise<void> {
  const client = await cluster.client({ timeoutMs: LEADERS_MS })
  const [first] = cluster.nodes
  if (first === undefined) return
  await meter.turnsOf(report, `create ${PARTITIONS} partitions`, async () => {
    await client.topics.create({ name: TOPIC, partitions: PARTITIONS, replicationFactor: 3 })
    return leaders(client)
  })
  await meter.turnsOf(report, `${PARTITIONS} partitions, nothing asked`, async () => {
    await delay(WATCHED_MS)
    return 'ok'
  })
  await meter.turnsOf(report, `produce over ${PARTITIONS} partitions`, () => produceToAll(client))
  await meter.turnsOf(report, `scrapes beside ${PARTITIONS} partitions`, () => scraped(cluster))
  await meter.turnsOf(report, `cluster status of ${PARTITIONS} partitions`, async () => {
    for (let i = 0; i < STATUSES; i++) await statusOf(cluster)
    return 'ok'
  })
  await meter.turnsOf(report, `kill of a node with ${PARTITIONS} partitions`, async () => {
    await first.kill()
    return leaders(client, first.name)
  })
  await meter.turnsOf(report, `start of it`, async () => {
    first.start()
    await first.ready(LEADERS_MS)
    return 'ok'
  })
}

async function produceToAll(client: SandglassClient): Promise<string> {
  const producer = client.producer()
  const sent = Array.from({ length: PARTITIONS * 10 }, (_, i) =>
    producer.produce(TOPIC, { value: new Uint8Array(256), partition: i % PARTITIONS }),
  )
  const failed = (await Promise.allSettled(sent)).filter(({ status }) => status === 'rejected').length
  await producer.close()
  return failed === 0 ? 'ok' : `${failed} of ${sent.length} not stored`
}

async function leaders(client: SandglassClient, without?: string): Promise<string> {
  await eventually('all leaders to be known', LEADERS_MS, async () => {
    const { partitions } = await client.topics.describe(TOPIC)
    return partitions.every(({ leader }) => leader !== undefined && leader !== without)
  })
  return 'ok'
}
