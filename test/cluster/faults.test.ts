/** One fault a test, three real processes, produce running meanwhile, books kept. */
import { afterEach, describe, expect, test } from 'vitest'
import { Cluster, type ClusterOptions } from '../../chaos/harness/cluster.ts'
import { eventually } from '../../chaos/harness/deadline.ts'
import { Ledger } from '../../chaos/harness/ledger.ts'
import type { SandglassClient } from '../../src/client/index.ts'

const TOPIC = 'work'
/** A new leader is elected within 800 ms, CheckQuorum and reconnecting included well within this. */
const SERVICE_BACK_MS = 5000

let cluster: Cluster | undefined

afterEach(async () => {
  await cluster?.destroy()
  cluster = undefined
})

interface Started {
  readonly cluster: Cluster
  readonly client: SandglassClient
  readonly ledger: Ledger
  readonly leader: string
  readonly followers: readonly string[]
}

/** A cluster with one partition of work that several callers fill. */
async function started(options: ClusterOptions = {}, callers = 16): Promise<Started> {
  const started = await Cluster.create(options)
  cluster = started
  await started.start()
  const client = await started.client()
  await client.topics.create({ name: TOPIC, partitions: 1, replicationFactor: 3 })
  const leader = await started.leader(client, TOPIC, 0)
  const ledger = new Ledger({ client, topic: TOPIC, callers })
  await ledger.more(200)
  const followers = started.nodes.map((node) => node.name).filter((name) => name !== leader)
  return { cluster: started, client, ledger, leader, followers }
}

async function expectBooks({ cluster, ledger }: Started): Promise<void> {
  await ledger.stop()
  const summary = await ledger.settle(cluster.addrs())
  expect(summary).toMatchObject({ lost: 0, wrong: [] })
  expect(summary.acked).toBeGreaterThan(200)
}

describe('books are kept when', () => {
  test('the leader is killed', async () => {
    const all = await started()
    const at = performance.now()
    await all.cluster.node(all.leader).kill()
    await all.ledger.more(200)
    expect(all.ledger.longestGap(at)).toBeLessThan(SERVICE_BACK_MS)
    all.cluster.node(all.leader).start()
    await all.cluster.node(all.leader).ready()
    await all.ledger.more(100)
    await expectBooks(all)
  })

  test('a follower is killed', async () => {
    const all = await started()
    const [follower = ''] = all.followers
    const at = performance.now()
    await all.cluster.node(follower).kill()
    await all.ledger.more(500)
    expect(all.ledger.longestGap(at)).toBeLessThan(SERVICE_BACK_MS)
    all.cluster.node(follower).start()
    await all.cluster.node(follower).ready()
    await expectBooks(all)
  })

  test('all three are killed during produce at full speed', async () => {
    const all = await started({}, 256)
    await all.ledger.more(5000)
    for (const node of all.cluster.nodes) node.signal('SIGKILL')
    await Promise.all(all.cluster.nodes.map((node) => node.exited()))
    await all.cluster.start()
    await all.ledger.more(200, 30_000)
    await expectBooks(all)
  })

  test('the leader is cut off in both directions', async () => {
    const all = await started({ proxies: true })
    const at = performance.now()
    setLinks(all, 'silent', 'both')
    await all.ledger.more(200, 20_000)
    expect(all.ledger.longestGap(at)).toBeLessThan(SERVICE_BACK_MS)
    const moved = await eventually('another leader', 10_000, async () => {
      const name = await all.cluster.leader(all.client, TOPIC, 0)
      return name === all.leader ? undefined : name
    })
    expect(all.followers).toContain(moved)
    setLinks(all, 'open', 'both')
    await all.ledger.more(200)
    await expectBooks(all)
  })

  test('the leader can no longer send to its followers', async () => {
    const all = await started({ proxies: true })
    const at = performance.now()
    setLinks(all, 'silent', 'from')
    await all.ledger.more(200, 20_000)
    expect(all.ledger.longestGap(at)).toBeLessThan(SERVICE_BACK_MS)
    setLinks(all, 'open', 'from')
    await all.ledger.more(200)
    await expectBooks(all)
  })

  test('the leader can no longer hear its followers', async () => {
    const all = await started({ proxies: true })
    const at = performance.now()
    setLinks(all, 'silent', 'to')
    await all.ledger.more(200, 20_000)
    expect(all.ledger.longestGap(at)).toBeLessThan(SERVICE_BACK_MS)
    setLinks(all, 'open', 'to')
    await all.ledger.more(200)
    await expectBooks(all)
  })

  test('the leader is stopped for five seconds', async () => {
    const all = await started()
    const at = performance.now()
    const node = all.cluster.node(all.leader)
    node.signal('SIGSTOP')
    await all.ledger.more(200, 20_000)
    expect(all.ledger.longestGap(at)).toBeLessThan(SERVICE_BACK_MS)
    await eventually('five seconds', 6000, () => performance.now() - at >= 5000)
    node.signal('SIGCONT')
    await all.ledger.more(500)
    await expectBooks(all)
  })

  test('every node is restarted in turn with SIGTERM', async () => {
    const all = await started()
    for (const node of all.cluster.nodes) {
      node.signal('SIGTERM')
      expect(await node.exited(10_000)).toEqual({ code: 0, signal: null })
      node.start()
      await node.ready()
      await all.ledger.more(100)
    }
    await expectBooks(all)
  })
})

function setLinks(
  { cluster, leader, followers }: Started,
  state: 'open' | 'silent',
  which: 'from' | 'to' | 'both',
): void {
  for (const follower of followers) {
    if (which !== 'to') cluster.link(leader, follower, state)
    if (which !== 'from') cluster.link(follower, leader, state)
  }
}
