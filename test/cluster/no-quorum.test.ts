/** What a producer hears when two of three nodes are gone, and what is there when they return. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../../chaos/harness/cluster.ts'
import { eventually } from '../../chaos/harness/deadline.ts'
import { Ledger } from '../../chaos/harness/ledger.ts'
import { sandctl, startSandctl } from '../../chaos/harness/sandctl.ts'

const TOPIC = 'work'
let cluster: Cluster

beforeAll(async () => {
  cluster = await Cluster.create()
  await cluster.start()
})
afterAll(() => cluster.destroy())

test('a minority refuses writes, tells refused from unknown, and loses nothing', async () => {
  const client = await cluster.client({ timeoutMs: 8000 })
  await client.topics.create({ name: TOPIC, partitions: 1, replicationFactor: 3 })
  const leader = await cluster.leader(client, TOPIC, 0)
  const addr = cluster.addrs(leader).join(',')
  const ledger = new Ledger({ client, topic: TOPIC, callers: 16 })
  await ledger.more(200)
  const others = cluster.nodes.filter((node) => node.name !== leader)
  // Connected already, so that its next message is sent before the leader knows that the others are gone.
  const inFlight = startSandctl(['-s', addr, '--timeout', '6s', '-o', 'jsonl', 'produce', TOPIC, '--file', '-'], {
    open: true,
  })
  inFlight.write('{"value":"stored"}')
  await eventually('the first message is stored', 10_000, () => inFlight.stdout().includes('offset'))
  // Stopped, not killed: the leader hears no reset, so what is sent now is in flight when the quorum is lost.
  for (const node of others) node.signal('SIGSTOP')
  const lostAt = performance.now()
  inFlight.write('{"value":"in-flight"}')
  inFlight.endInput()
  await eventually('three seconds without quorum', 4000, () => performance.now() - lostAt >= 3000)
  const late = await sandctl(['-s', addr, '--timeout', '5s', '-o', 'jsonl', 'produce', TOPIC, 'late'], { ms: 15_000 })
  expect(late).toMatchObject({ code: 3, stdout: '' })
  expect(JSON.parse(late.stderr)).toMatchObject({ error: { reason: 'NO_QUORUM' } })
  const unknown = await inFlight.ended
  expect(unknown.code).toBe(4)
  expect(unknown.stdout.trim().split('\n')).toHaveLength(1)
  expect(JSON.parse(unknown.stderr)).toMatchObject({ error: { reason: 'COMMIT_UNKNOWN' } })
  await ledger.stop()
  const side = (path: string) => fetch(`http://127.0.0.1:${cluster.httpPort(leader)}${path}`)
  const away = await eventually('the one left is not ready', 10_000, async () => {
    const response = await side('/readyz')
    return response.status === 503 && response.text()
  })
  expect(away).toMatch(/^no leader of the catalog is known for \d+ s: no majority of nodes answers\n$/)
  expect((await side('/livez')).status).toBe(200)
  for (const node of others) node.signal('SIGCONT')
  await eventually('it is ready again', 10_000, async () => (await side('/readyz')).status === 200)
  await cluster.leader(client, TOPIC, 0)
  const summary = await ledger.settle(cluster.addrs())
  // 'stored' and 'in-flight' are not the ledger's; they show in `stored` only.
  expect(summary).toMatchObject({ lost: 0, wrong: [] })
  expect(summary.unknown).toBeGreaterThan(0)
  expect(summary.stored).toBeLessThanOrEqual(summary.acked + summary.unknown + 2)
})
