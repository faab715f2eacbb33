/**
 * Which nodes carry a new topic's partitions: a pure function of what is there. The first node of a partition is its
 * preferred leader. Both, leaders and replicas, are spread evenly within the topic first, then over all topics.
 */
import { assert } from '../../base/assert.ts'
import type { NodeId } from '../../base/ids.ts'

/** What a node has already, over all topics. */
export interface NodeLoad {
  readonly node: NodeId
  readonly replicas: number
  readonly leaders: number
  /** It is there. */
  readonly live: boolean
}

export interface PlacementRequest {
  readonly partitions: number
  readonly replicationFactor: number
}

interface Tally {
  readonly node: NodeId
  readonly live: boolean
  replicas: number
  leaders: number
  ownReplicas: number
  ownLeaders: number
}

/**
 * For each partition `replicationFactor` distinct nodes, the preferred leader first; those that are there before those that
 * are not. Needs at least that many nodes.
 */
export function placeTopic(loads: readonly NodeLoad[], request: PlacementRequest): readonly (readonly NodeId[])[] {
  const { partitions, replicationFactor } = request
  assert(replicationFactor >= 1 && replicationFactor <= loads.length, 'a topic has at most one replica on a node')
  const tallies = loads.map((load) => ({ ...load, ownReplicas: 0, ownLeaders: 0 })).sort((a, b) => a.node - b.node)
  const places: NodeId[][] = []
  for (let i = 0; i < partitions; i++) {
    const leader = least(tallies, byLeaders)
    leader.leaders++
    leader.ownLeaders++
    const others = tallies.filter((t) => t !== leader).sort(byReplicas)
    const chosen = [leader, ...others.slice(0, replicationFactor - 1)]
    for (const tally of chosen) {
      tally.replicas++
      tally.ownReplicas++
    }
    places.push(chosen.map((tally) => tally.node))
  }
  return places
}

function least(tallies: readonly Tally[], compare: (a: Tally, b: Tally) => number): Tally {
  const first = [...tallies].sort(compare)[0]
  assert(first !== undefined, 'there is a node')
  return first
}

function byLeaders(a: Tally, b: Tally): number {
  return liveFirst(a, b) || a.ownLeaders - b.ownLeaders || a.leaders - b.leaders || byReplicas(a, b)
}

/** Equal ones go by node id, so that every replica of the catalog decides the same. */
function byReplicas(a: Tally, b: Tally): number {
  const own = liveFirst(a, b) || a.ownReplicas - b.ownReplicas
  return own || a.replicas - b.replicas || a.leaders - b.leaders || a.node - b.node
}

function liveFirst(a: Tally, b: Tally): number {
  return Number(b.live) - Number(a.live)
}
