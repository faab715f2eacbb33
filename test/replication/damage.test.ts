import { describe, expect, test } from 'vitest'
import { Cluster, GROUP, type Node } from './cluster.ts'

const named = { file: '00000003.wal', offset: 512, reason: 'a batch is damaged', groups: [GROUP], everyGroup: false }

/** Node 1 comes back after damage of its log. */
async function damaged(everyGroup: boolean): Promise<{ cluster: Cluster; node: Node; rest: Node[] }> {
  const cluster = await Cluster.start()
  const node = cluster.node(1)
  await cluster.propose(await cluster.leader(), 'a')
  await cluster.time.run(500)
  node.crash()
  node.logDisk.logs.delete(GROUP)
  if (!everyGroup) node.logDisk.tombstones.set(GROUP, 10)
  node.damage = [everyGroup ? { ...named, groups: [], everyGroup } : named]
  return { cluster, node, rest: cluster.others(node) }
}

describe('a replica whose log was damaged', () => {
  test('does not start again, and says where the damage is; the others go on', async () => {
    const { cluster, node, rest } = await damaged(false)
    await expect(node.restart()).rejects.toThrow('its log is damaged (00000003.wal, 512: a batch is damaged)')
    expect(node.events).toContainEqual({ type: 'damaged', group: GROUP, file: '00000003.wal', offset: 512 })
    expect(node.multi.stats().damaged).toEqual([GROUP])
    expect(node.multi.handle(GROUP)).toBeUndefined()
    expect(await cluster.propose(await cluster.leader(rest), 'b')).toMatchObject({ type: 'applied' })
    expect(cluster.network.sent.filter(({ from, frame }) => from === 1 && frame.byteLength > 40)).toEqual([])
  })

  test('that the log does not know any more gets its tombstone before anything else', async () => {
    const { node } = await damaged(true)
    await expect(node.restart()).rejects.toThrow('its log is damaged')
    expect(node.logDisk.tombstones.get(GROUP)).toBe(10)
    expect(node.wal.handed).toEqual([{ group: GROUP, replica: 10, removed: true }])
    node.damage = []
    node.crash()
    await expect(node.restart()).rejects.toThrow('it was removed')
  })

  test('leaves a group that is new to the node alone once it comes under another id', async () => {
    const { cluster, node } = await damaged(true)
    await expect(node.restart(8)).rejects.toThrow('its log is damaged')
    expect(node.logDisk.tombstones.get(8)).toBe(10)
    await expect(cluster.time.during(node.start(8))).rejects.toThrow('Cannot start replica 10 of group 8')
  })
})

describe('a replica whose state was damaged', () => {
  test('is made anew from a log that begins at the first entry', async () => {
    const cluster = await Cluster.start({ nodes: 1 })
    const node = await cluster.leader()
    for (const value of ['a', 'b']) await cluster.propose(node, value)
    node.crash()
    node.breakState('a row is damaged')
    await node.restart()
    await cluster.leader()
    expect(await node.texts()).toEqual(['a', 'b'])
    expect(node.events).toContainEqual({ type: 'stateDamaged', group: GROUP, reason: 'a row is damaged' })
  })

  test('does not start when the log begins later', async () => {
    const cluster = await Cluster.start({ nodes: 1, limits: { checkpointBytes: 100 } })
    const node = await cluster.leader()
    for (const value of ['a', 'b']) await cluster.propose(node, value)
    await cluster.time.run(100)
    node.crash()
    node.breakState('a row is damaged')
    await expect(node.restart()).rejects.toThrow('its state is damaged (a row is damaged)')
  })
})
