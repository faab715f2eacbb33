import { describe, expect, test } from 'vitest'
import type { SandglassError } from '../../../src/base/errors.ts'
import { CATALOG_GROUP } from '../../../src/base/ids.ts'
import { CatalogCluster } from './catalog-cluster.ts'

const spec = (name: string, partitions = 12, replicationFactor = 3) =>
  ({ name, partitions, replicationFactor, kind: 'timer' }) as const

const counts = (cluster: CatalogCluster): number[] => cluster.nodes.map((node) => node.leads().length)

describe('catalog directory', () => {
  test('every node registers itself and every node sees all of them alive', async () => {
    const cluster = await CatalogCluster.start()
    await cluster.time.run(1000)
    for (const { directory } of cluster.nodes) {
      expect(directory.nodes().map((n) => [n.name, n.grpc, n.alive])).toEqual([
        ['n1', 'n1:7170', true],
        ['n2', 'n2:7170', true],
        ['n3', 'n3:7170', true],
      ])
    }
  })

  test('a topic created at a follower is known there at once, and after a refresh anywhere', async () => {
    const cluster = await CatalogCluster.start()
    const { directory } = cluster.follower()
    const topic = await cluster.time.during(directory.createTopic(spec('orders', 4), 5000))
    expect(topic.partitions).toHaveLength(4)
    expect(directory.topic('orders')).toEqual(topic)
    for (const node of cluster.nodes) {
      await cluster.time.during(node.directory.refresh(5000))
      expect(node.directory.topic('orders')).toEqual(topic)
    }
  })

  test('refusals of the catalog come back as errors, from a follower as from the leader', async () => {
    const cluster = await CatalogCluster.start()
    await cluster.time.during(cluster.leader().directory.createTopic(spec('orders'), 5000))
    for (const { directory } of [cluster.leader(), cluster.follower()]) {
      const create = (name: string, rf: number) => cluster.time.during(directory.createTopic(spec(name, 1, rf), 5000))
      await expect(create('orders', 1)).rejects.toMatchObject({ reason: 'TOPIC_EXISTS' })
      await expect(create('more', 4)).rejects.toMatchObject({ reason: 'NOT_ENOUGH_NODES' })
      await expect(create('__x', 1)).rejects.toMatchObject({ reason: 'INVALID', field: 'name' })
      const gone = cluster.time.during(directory.deleteTopic('nothing', 5000))
      await expect(gone).rejects.toMatchObject({ reason: 'TOPIC_NOT_FOUND' })
    }
  })

  test('while a node is away topics are made on those that are there, also right after a start', async () => {
    const cluster = await CatalogCluster.start()
    const away = cluster.follower()
    away.crash()
    await cluster.time.until(() => !cluster.leader().directory.alive(away.id), 20_000, 'it to be missed')
    const { directory } = cluster.leader()
    const make = (name: string, rf: number) => cluster.time.during(directory.createTopic(spec(name, 4, rf), 5000))
    const placesOf = async (name: string, rf: number) =>
      (await make(name, rf)).partitions.map(({ replicas }) => replicas.map(({ node }) => node))
    expect((await placesOf('one', 1)).flat()).not.toContain(away.id)
    expect((await placesOf('two', 2)).flat()).not.toContain(away.id)
    for (const nodes of await placesOf('three', 3)) expect(nodes.indexOf(away.id)).toBeGreaterThan(0)
    // A node that has just started knows of nobody else that he is there.
    const back = cluster.follower()
    back.crash()
    await cluster.time.during(back.start())
    await cluster.time.during(back.directory.createTopic(spec('soon', 1, 3), 5000))
  })

  test('whoever waits for a change to arrive here is told at once that the node closes', async () => {
    const cluster = await CatalogCluster.start()
    const { id, directory } = cluster.follower()
    await cluster.time.run(6000)
    // Questions reach the leader, and what it commits does not come back.
    cluster.network.isolate(
      id,
      cluster.nodes.flatMap((node) => (node.id === id ? [] : [node.id])),
    )
    const asked = directory.createTopic(spec('orders'), 60_000)
    const told = asked.then(String, (error: SandglassError) => error.reason)
    await cluster.time.until(() => cluster.leader().directory.topic('orders') !== undefined, 300)
    directory.close()
    expect(await cluster.time.during(told, 60)).toBe('COMMIT_UNKNOWN')
  })

  test('12 partitions on 3 nodes have 4 leaders each within 10 s', async () => {
    for (const seed of [1, 2, 3]) {
      const cluster = await CatalogCluster.start(3, seed)
      await cluster.time.during(cluster.node(1).directory.createTopic(spec('orders'), 5000))
      await cluster.time.run(10_000)
      expect(counts(cluster)).toEqual([4, 4, 4])
    }
  })

  test('after a node was gone and came back each has 4 leaders again within 60 s', async () => {
    const cluster = await CatalogCluster.start()
    await cluster.time.during(cluster.node(1).directory.createTopic(spec('orders'), 5000))
    await cluster.time.run(10_000)
    const lost = cluster.node(2)
    lost.crash()
    await cluster.time.run(5000)
    expect(cluster.node(1).directory.node(2)?.alive).toBe(false)
    expect(counts(cluster).reduce((a, b) => a + b)).toBe(12)
    await cluster.time.during(lost.start())
    await cluster.time.run(60_000)
    expect(counts(cluster)).toEqual([4, 4, 4])
    expect(cluster.nodes.flatMap((node) => node.errors)).toEqual([])
  })

  test('no leadership goes to a node that takes none', async () => {
    const cluster = await CatalogCluster.start()
    cluster.node(3).accepts = false
    await cluster.time.run(1000)
    const topic = await cluster.time.during(cluster.node(1).directory.createTopic(spec('orders'), 5000))
    await cluster.time.until(() => counts(cluster).reduce((a, b) => a + b) === 12)
    const before = new Set(cluster.node(3).leads())
    await cluster.time.run(30_000)
    expect(
      cluster
        .node(3)
        .leads()
        .filter((group) => !before.has(group)),
    ).toEqual([])
    cluster.node(3).accepts = true
    await cluster.time.run(30_000)
    expect(counts(cluster)).toEqual([4, 4, 4])
    expect(topic.partitions).toHaveLength(12)
  })

  test('a node without a replica of a group knows its leader from the reports', async () => {
    const cluster = await CatalogCluster.start()
    const topic = await cluster.time.during(cluster.node(1).directory.createTopic(spec('solo', 3, 1), 5000))
    await cluster.time.run(3000)
    for (const { group, replicas } of topic.partitions) {
      for (const { directory } of cluster.nodes) expect(directory.leaderOf(group)).toBe(replicas[0]?.node)
    }
  })

  test('the groups of a deleted topic disappear from all nodes, of one that was away too', async () => {
    const cluster = await CatalogCluster.start()
    await cluster.time.during(cluster.node(1).directory.createTopic(spec('orders', 3), 5000))
    await cluster.time.until(() => cluster.nodes.every((node) => node.groups().length === 3))
    cluster.node(3).crash()
    await cluster.time.run(3000)
    await cluster.time.during(cluster.node(1).directory.deleteTopic('orders', 5000))
    await cluster.time.until(() => cluster.node(1).groups().length === 0 && cluster.node(2).groups().length === 0)
    expect(cluster.node(3).groups()).toHaveLength(3)
    await cluster.time.during(cluster.node(3).start())
    await cluster.time.until(() => cluster.node(3).groups().length === 0)
    expect(cluster.nodes.flatMap((node) => node.errors)).toEqual([])
  })

  test('without a quorum a change is not made, and the caller hears it before its time is over', async () => {
    const cluster = await CatalogCluster.start()
    const leader = cluster.leader()
    for (const node of cluster.nodes) if (node !== leader) node.crash()
    await cluster.time.run(3000)
    const failed = cluster.time.during(leader.directory.createTopic(spec('orders'), 2000), 2500)
    await expect(failed).rejects.toMatchObject({ reason: 'NO_QUORUM' })
    await expect(cluster.time.during(leader.directory.refresh(1000), 1500)).rejects.toMatchObject({
      reason: 'NO_QUORUM',
    })
  })

  test('a topic asked for while the leader of the catalog dies is made once', async () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const cluster = await CatalogCluster.start(3, seed)
      const follower = cluster.follower()
      const leader = cluster.leader()
      const asked = follower.directory.createTopic(spec('orders', 2), 20_000)
      await cluster.time.run(seed)
      leader.crash()
      const topic = await cluster.time.during(asked)
      expect(follower.directory.topics()).toEqual([topic])
    }
  })

  test('answers that get lost do not make a topic twice, nor a deletion fail', async () => {
    const cluster = await CatalogCluster.start()
    const { directory } = cluster.follower()
    cluster.answersToLose = 2
    const topic = await cluster.time.during(directory.createTopic(spec('orders', 2), 5000))
    expect(directory.topics()).toEqual([topic])
    cluster.answersToLose = 2
    await cluster.time.during(directory.deleteTopic('orders', 5000))
    expect(directory.topics()).toEqual([])
  })

  test('if every answer gets lost the outcome is unknown', async () => {
    const cluster = await CatalogCluster.start()
    cluster.answersToLose = 1_000_000
    const asked = cluster.time.during(cluster.follower().directory.createTopic(spec('orders', 2), 2000))
    await expect(asked).rejects.toMatchObject({ reason: 'COMMIT_UNKNOWN', outcome: 'unknown' })
  })

  test('many misses at once share their questions to the leader', async () => {
    const cluster = await CatalogCluster.start()
    const { directory } = cluster.follower()
    cluster.readPoints = 0
    await cluster.time.during(Promise.all(Array.from({ length: 100 }, () => directory.refresh(5000))))
    expect(cluster.readPoints).toBe(2)
  })

  test('a node that comes back under another address is found there', async () => {
    const cluster = await CatalogCluster.start()
    const moved = cluster.node(2).directory.register(cluster.node(2).record('elsewhere:1'))
    await cluster.time.during(moved)
    await cluster.time.during(cluster.node(1).directory.refresh(1000))
    expect(cluster.node(1).directory.raftAddress(2)).toBe('elsewhere:1')
    const { directory } = cluster.node(1)
    expect(directory.raftAddresses()).toBe(directory.raftAddresses())
    expect([...directory.raftAddresses()]).toEqual([
      [2, 'elsewhere:1'],
      [3, 'n3:9190'],
    ])
  })

  test('a leadership is handed over by its leader only, to a node with a replica', async () => {
    const cluster = await CatalogCluster.start()
    const leader = cluster.leader()
    const follower = cluster.follower()
    expect(() => follower.directory.transferLeader(CATALOG_GROUP, follower.id)).toThrow('does not lead it')
    expect(() => leader.directory.transferLeader(CATALOG_GROUP, 9)).toThrow('has no replica')
    leader.directory.transferLeader(CATALOG_GROUP, follower.id)
    await cluster.time.until(() => follower.directory.leaderOf(CATALOG_GROUP) === follower.id, 5000)
  })

  test('whoever listens hears of new topics, of leaders, and of nodes that go', async () => {
    const cluster = await CatalogCluster.start()
    let heard = 0
    cluster.node(1).directory.onChange(() => {
      heard++
    })
    await cluster.time.run(2000)
    heard = 0
    await cluster.time.run(2000)
    expect(heard).toBe(0)
    await cluster.time.during(cluster.node(2).directory.createTopic(spec('orders', 1), 5000))
    await cluster.time.run(100)
    expect(heard).toBeGreaterThan(0)
    await cluster.time.run(10_000)
    heard = 0
    cluster.node(3).crash()
    await cluster.time.until(() => cluster.node(1).directory.node(3)?.alive === false, 5000)
    await cluster.time.run(200)
    expect(heard).toBeGreaterThan(0)
  })
})
