/** Topics made while a node of three is away, as during a rolling restart, and what the log says of that. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../../chaos/harness/cluster.ts'
import { eventually } from '../../chaos/harness/deadline.ts'
import { sandctl } from '../../chaos/harness/sandctl.ts'
import { statusOf } from '../../chaos/harness/status.ts'

let cluster: Cluster

beforeAll(async () => {
  cluster = await Cluster.create()
  await cluster.start()
})
afterAll(() => cluster.destroy())

async function create(name: string, partitions: number, replicationFactor: number) {
  const flags = ['--partitions', String(partitions), '--replication-factor', String(replicationFactor)]
  const addrs = cluster.addrs('n1', 'n2').join(',')
  const ran = await sandctl(['-s', addrs, '-o', 'json', 'topics', 'create', name, ...flags], { ms: 30_000 })
  expect(ran).toMatchObject({ code: 0, stderr: '' })
  return JSON.parse(ran.stdout)
}

test('lie on the nodes that are there first, name who is missing, and are whole once it is back', async () => {
  await cluster.node('n3').kill()
  // Each by itself: which of them will be asked to make a topic is not said.
  for (const other of ['n1', 'n2']) {
    await eventually(`n3 to be missed by ${other}`, 60_000, async () => {
      const { nodes } = await statusOf(cluster, other)
      return nodes.some(({ name, alive }) => name === 'n3' && !alive)
    })
  }
  const alone = await create('alone', 4, 1)
  expect(alone.missing).toEqual([])
  expect(alone.partitions.flatMap(({ replicas }: { replicas: string[] }) => replicas)).not.toContain('n3')
  const all = await create('all', 2, 3)
  expect(all.missing).toEqual(['n3'])
  const client = await cluster.client({ addrs: cluster.addrs('n1', 'n2') })
  const producer = client.producer()
  await producer.produce('all', { value: 'x', partition: 0 })
  cluster.node('n3').start()
  await cluster.node('n3').ready()
  const [first, , third] = cluster.nodes
  await eventually('n3 to be greeted', 30_000, () => (first?.said('peer_up') ?? 0) > 2)
  const starts = (of: typeof first) => ['formed', 'started'].map((event) => of?.said(event))
  expect([starts(first), starts(third)]).toEqual([
    [1, 1],
    [1, 2],
  ])
  for (const event of ['peer_down', 'leader_gained']) expect(first?.said(event)).toBeGreaterThan(0)
  await eventually(
    'n3 to carry its part',
    60_000,
    async () => (await client.topics.describe('all')).missing.length === 0,
  )
})
