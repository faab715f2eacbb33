/** Groups that sleep, in real processes: their leader is killed, and the others notice without a heartbeat of theirs. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../../chaos/harness/cluster.ts'
import { eventually } from '../../chaos/harness/deadline.ts'

const TOPIC = 'quiet'
const PARTITIONS = 24
let cluster: Cluster

beforeAll(async () => {
  cluster = await Cluster.create()
  await cluster.start()
})
afterAll(() => cluster.destroy())

async function quiesced(node: string): Promise<number> {
  return Number(/^sandglass_raft_quiesced(?:\{[^}]*\})? (\S+)$/m.exec(await cluster.metrics(node))?.[1])
}

test('sleeping groups whose leader is killed have another one, and take messages again', async () => {
  const client = await cluster.client()
  await client.topics.create({ name: TOPIC, partitions: PARTITIONS, replicationFactor: 3 })
  await eventually('all groups to sleep', 30_000, async () => {
    const counts = await Promise.all(cluster.nodes.map(({ name }) => quiesced(name)))
    return counts.every((count) => count > PARTITIONS)
  })
  const asleep = await client.topics.describe(TOPIC)
  expect(asleep.partitions.every(({ leader }) => leader !== undefined)).toBe(true)
  const killed = await cluster.leader(client, TOPIC, 0)
  await cluster.node(killed).kill()
  const rest = await cluster.client({
    addrs: cluster.nodes.flatMap(({ name }) => (name === killed ? [] : cluster.addrs(name))),
  })
  await eventually('another leader of every partition', 10_000, async () => {
    const { partitions } = await rest.topics.describe(TOPIC)
    return partitions.every(({ leader }) => leader !== undefined && leader !== killed)
  })
  const producer = rest.producer()
  for (let partition = 0; partition < PARTITIONS; partition++) await producer.produce(TOPIC, { value: 'x', partition })
  await producer.close()
})
