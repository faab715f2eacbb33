/** A leader that is stopped, as a starved or suspended machine is, while the others go on without it. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../../chaos/harness/cluster.ts'
import { eventually } from '../../chaos/harness/deadline.ts'
import { ApiClient } from '../rpc/api-client.ts'

const TOPIC = 'work'
const STOPPED_MS = 5000
const MARK_MS = 50
const DELAY_MS = 1500
/** Long enough for what is on its way, and too short for an election. */
const MOMENT_MS = 100

let cluster: Cluster

beforeAll(async () => {
  cluster = await Cluster.create({ proxies: true })
  await cluster.start()
})
afterAll(() => cluster.destroy())

const reached = (wallMs: number) => eventually('a time to come', 20_000, () => Date.now() >= wallMs)

test('delivers and echoes nothing once it goes on, though what it asked before was answered', async () => {
  const client = await cluster.client()
  await client.topics.create({ name: TOPIC, partitions: 1, replicationFactor: 3 })
  const leader = await cluster.leader(client, TOPIC, 0)
  const others = cluster.nodes.map(({ name }) => name).filter((name) => name !== leader)
  const answers = (state: 'open' | 'silent') => {
    for (const name of others) cluster.link(name, leader, state)
  }
  const direct = new ApiClient(Number(cluster.addrs(leader)[0]?.split(':')[1]))
  const consumer = direct.consume()
  consumer.write({ subscribe: { topic: TOPIC, group: 'g', consumer: 'c', session: Buffer.alloc(16, 1), credit: 10 } })
  let id = 0
  const marks = setInterval(() => consumer.write({ mark: { id: ++id } }), MARK_MS)
  await consumer.next((m) => m.mark)
  const { dueMs } = await client.producer().produce(TOPIC, { value: 'x', partition: 0, delayMs: DELAY_MS })
  // What it asks from now on, a lease for the message that falls due among it, is answered in its sockets only.
  await reached(dueMs - MOMENT_MS / 2)
  answers('silent')
  await reached(dueMs + MOMENT_MS / 2)
  cluster.node(leader).signal('SIGSTOP')
  const stoppedAt = Date.now()
  answers('open')
  await reached(stoppedAt + MOMENT_MS)
  // Nor is it told of another leader.
  answers('silent')
  const elsewhere = await cluster.client({ addrs: cluster.addrs(...others) })
  await eventually('another to lead', 30_000, async () => {
    const { partitions } = await elsewhere.topics.describe(TOPIC)
    return others.includes(partitions[0]?.leader ?? '')
  })
  await reached(stoppedAt + STOPPED_MS)
  consumer.received.length = 0
  cluster.node(leader).signal('SIGCONT')
  await eventually('its stream to end', 30_000, () => consumer.ended)
  clearInterval(marks)
  expect(consumer.received.filter(({ deliveries, mark }) => deliveries !== null || mark !== null)).toEqual([])
  direct.close()
})
