import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type NodeLoad, placeTopic } from '../../../src/views/catalog/placement.ts'

const empty = (nodes: number): NodeLoad[] =>
  Array.from({ length: nodes }, (_, i) => ({ node: i + 1, replicas: 0, leaders: 0, live: true }))

function add(loads: readonly NodeLoad[], places: readonly (readonly number[])[]): NodeLoad[] {
  return loads.map(({ node, replicas, leaders, live }) => ({
    ...{ node, live },
    replicas: replicas + places.filter((p) => p.includes(node)).length,
    leaders: leaders + places.filter((p) => p[0] === node).length,
  }))
}

const spread = (counts: readonly number[]): number => Math.max(...counts) - Math.min(...counts)

describe('placement', () => {
  test('12 partitions on 3 nodes have 4 preferred leaders on each', () => {
    const after = add(empty(3), placeTopic(empty(3), { partitions: 12, replicationFactor: 3 }))
    expect(after.map((l) => l.leaders)).toEqual([4, 4, 4])
    expect(after.map((l) => l.replicas)).toEqual([12, 12, 12])
  })

  test('many topics of one partition do not all lie on the first node', () => {
    let loads = empty(3)
    for (let i = 0; i < 9; i++) loads = add(loads, placeTopic(loads, { partitions: 1, replicationFactor: 1 }))
    expect(loads.map((l) => l.leaders)).toEqual([3, 3, 3])
  })

  test('the order in which the nodes are given changes nothing', () => {
    const request = { partitions: 7, replicationFactor: 2 }
    expect(placeTopic(empty(5).reverse(), request)).toEqual(placeTopic(empty(5), request))
  })

  test('a topic made when one node had everything is spread over all nodes nevertheless', () => {
    const loads = empty(3).map((l) =>
      l.node === 1 ? { ...l, replicas: 0, leaders: 0 } : { ...l, replicas: 50, leaders: 50 },
    )
    const leaders = placeTopic(loads, { partitions: 12, replicationFactor: 1 }).map((p) => p[0])
    expect([1, 2, 3].map((n) => leaders.filter((l) => l === n).length)).toEqual([4, 4, 4])
  })

  test('a node that is not there leads nothing, and carries only what the others cannot', () => {
    const loads = empty(4).map((l) => ({ ...l, live: l.node !== 1 }))
    for (const replicationFactor of [1, 2, 3, 4]) {
      const places = placeTopic(loads, { partitions: 12, replicationFactor })
      expect(places.map(([leader]) => leader)).not.toContain(1)
      expect(places.filter((nodes) => nodes.includes(1))).toHaveLength(replicationFactor === 4 ? 12 : 0)
      const after = add(loads, places).filter(({ live }) => live)
      expect(spread(after.map((l) => l.leaders))).toBe(0)
      expect(spread(after.map((l) => l.replicas))).toBeLessThanOrEqual(1)
    }
  })

  test('any sequence of topics: distinct nodes, leaders and replicas of each topic and of all within small bounds', () => {
    const topics = fc.array(
      fc.record({ partitions: fc.integer({ min: 1, max: 30 }), replicationFactor: fc.integer({ min: 1, max: 7 }) }),
      { minLength: 1, maxLength: 8 },
    )
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), topics, (nodes, requests) => {
        let loads = empty(nodes)
        for (const request of requests) {
          const rf = Math.min(nodes, request.replicationFactor)
          const places = placeTopic(loads, { ...request, replicationFactor: rf })
          for (const p of places) expect(new Set(p).size).toBe(rf)
          const own = add(empty(nodes), places)
          expect(spread(own.map((l) => l.leaders))).toBeLessThanOrEqual(1)
          expect(spread(own.map((l) => l.replicas))).toBeLessThanOrEqual(2)
          loads = add(loads, places)
          expect(spread(loads.map((l) => l.leaders))).toBeLessThanOrEqual(1)
          expect(spread(loads.map((l) => l.replicas))).toBeLessThanOrEqual(4)
        }
      }),
      { numRuns: 300 },
    )
  })
})
