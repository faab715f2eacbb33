import { describe, expect, test } from 'vitest'
import { Cluster } from './cluster.ts'

describe('three replicas', () => {
  test('elect one leader, and a proposal is applied on all of them', async () => {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    const outcome = await cluster.propose(leader, 'a', 'b')
    expect(outcome).toMatchObject({ type: 'applied', replies: ['2:a', '2:b'] })
    await cluster.settled()
    for (const node of cluster.nodes) {
      expect(await node.texts()).toEqual(['a', 'b'])
      expect(node.handle.status().leaderNode).toBe(leader.id)
    }
    expect(cluster.nodes.filter((node) => node.leads)).toEqual([leader])
  })
})
