/** A node whose log may have lost replicas that nobody knows by name: it cannot have lost what came later. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../../chaos/harness/cluster.ts'
import { eventually } from '../../chaos/harness/deadline.ts'
import { statusOf } from '../../chaos/harness/status.ts'

let cluster: Cluster

beforeAll(async () => {
  cluster = await Cluster.create()
  await cluster.start()
})
afterAll(() => cluster.destroy())

/** Whether n3 has applied what the topic's partition has committed. */
async function carries(topic: string): Promise<boolean> {
  const partition = (await statusOf(cluster)).partitions.find((one) => one.topic === topic)
  return partition !== undefined && partition.commit > 0 && partition.applied.n3 === partition.commit
}

test('it carries the topics of before, those made since, and after a start those made while it was away', async () => {
  const client = await cluster.client({ addrs: cluster.addrs('n1', 'n2') })
  const producer = client.producer()
  const make = async (topic: string) => {
    await client.topics.create({ name: topic, partitions: 1, replicationFactor: 3 })
    await producer.produce(topic, { value: 'x' })
  }
  const n3 = cluster.node('n3')
  await make('before')
  await eventually('n3 to carry before', 60_000, () => carries('before'))
  await n3.kill()
  // What it remembers of damage is damaged itself.
  writeFileSync(join(cluster.folder, 'n3', 'shard-0', 'wal', 'DAMAGED.json'), '{')
  n3.start()
  await n3.ready()
  expect((await statusOf(cluster, 'n3')).damage).toMatchObject([{ node: 'n3', part: 'log', groups: null }])
  await make('since')
  for (const topic of ['before', 'since']) await eventually(`n3 to carry ${topic}`, 60_000, () => carries(topic))
  await n3.kill()
  await make('away')
  n3.start()
  await n3.ready()
  for (const topic of ['before', 'since', 'away']) {
    await eventually(`n3 to carry ${topic}`, 60_000, () => carries(topic))
  }
  expect(n3.said('replica_failed')).toBe(0)
})
