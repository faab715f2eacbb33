/**
 * Every way three nodes can form a cluster: exchanges in any order, questions and answers that are lost or come late,
 * crashes before and after every write, wiped folders. All reachable states are visited once and judged.
 */
import { describe, expect, test } from 'vitest'
import {
  answerTo,
  begin,
  type FormationState,
  type Heard,
  hear,
  type Next,
  persisted,
  say,
} from '../../../src/node/formation/formation-state.ts'
import type { Identity } from '../../../src/node/formation/identity.ts'
import type { FormationHello } from '../../../src/rpc/formation/types.ts'

const NAMES = ['n1', 'n2', 'n3'] as const
const MEMBERS = NAMES.map((name) => ({ name, raft: `${name}:9190` }))

interface NodeModel {
  readonly durable: Identity | undefined
  /** undefined: the process is down; 'failed' ones have exited for good. */
  readonly state: FormationState | undefined
  readonly failed: string
  readonly boots: number
  /** The folder that was wiped had been formed: Raft ran on it. */
  readonly hadHistory: boolean
}

interface World {
  readonly nodes: readonly NodeModel[]
  /** One hello that is still on its way, if any: it may arrive at any later time. */
  readonly late: { readonly to: number; readonly hello: FormationHello } | undefined
  /** How many were so far. */
  readonly lates: number
  readonly crashes: number
  readonly wipes: number
  readonly clusters: readonly string[]
}

interface Bounds {
  readonly crashes: number
  readonly wipes: number
  readonly lates: number
}

function start(node: NodeModel, index: number): NodeModel {
  const boots = node.boots + 1
  const name = NAMES[index] ?? ''
  const state: FormationState = {
    name,
    members: MEMBERS,
    boot: `${name}.${boots}`,
    freshId: `id-${name}.${boots}`,
    durable: node.durable,
    heard: new Map<string, Heard>(),
  }
  return { ...node, boots, state }
}

/** Every outcome of a step on one node: done, or crashed before or after each of its writes. */
function outcomes(node: NodeModel, next: Next, mayCrash: boolean): { node: NodeModel; crashed: boolean }[] {
  if (next.type === 'wait') return [{ node: { ...node, state: next.state }, crashed: false }]
  if (next.type === 'fail') return [{ node: { ...node, state: undefined, failed: next.reason }, crashed: false }]
  const written = { ...node, durable: next.identity }
  const on = outcomes(written, persisted(next.state, next.identity), mayCrash)
  if (!mayCrash) return on
  const down = (n: NodeModel): NodeModel => ({ ...n, state: undefined })
  return [{ node: down(node), crashed: true }, { node: down(written), crashed: true }, ...on]
}

function replace(world: World, index: number, node: NodeModel): World {
  const id = node.durable?.state === 'formed' ? node.durable.clusterId : undefined
  const clusters = id === undefined || world.clusters.includes(id) ? world.clusters : [...world.clusters, id]
  return { ...world, clusters, nodes: world.nodes.map((n, i) => (i === index ? node : n)) }
}

function deliver(world: World, to: number, hello: FormationHello, bounds: Bounds): World[] {
  const node = world.nodes[to]
  if (node?.state === undefined) return []
  return outcomes(node, hear(node.state, hello), world.crashes < bounds.crashes).map((o) =>
    replace({ ...world, crashes: world.crashes + (o.crashed ? 1 : 0) }, to, o.node),
  )
}

/** A question and its answer, of which the answer may be lost, and either may come late. */
function exchange(world: World, from: number, to: number, bounds: Bounds): World[] {
  const asker = world.nodes[from]?.state
  if (asker === undefined || world.nodes[to]?.state === undefined) return []
  const question = say(asker, NAMES[to] ?? '')
  const after = deliver(world, to, question, bounds)
  if (world.lates < bounds.lates) after.push({ ...world, lates: world.lates + 1, late: { to, hello: question } })
  return after.flatMap((asked) => {
    const answerer = asked.nodes[to]?.state
    if (answerer === undefined) return [asked]
    const answer = answerTo(answerer, question)
    // With late words, a word that never comes is a late one: it may stay on its way for ever.
    const lost = bounds.lates === 0 ? [asked] : []
    if (asked.lates < bounds.lates) lost.push({ ...asked, lates: asked.lates + 1, late: { to: from, hello: answer } })
    return [...lost, ...deliver(asked, from, answer, bounds)]
  })
}

function successors(world: World, bounds: Bounds): World[] {
  const all: World[] = []
  world.nodes.forEach((node, i) => {
    world.nodes.forEach((_, j) => {
      if (i !== j) all.push(...exchange(world, i, j, bounds))
    })
    if (node.state === undefined && node.failed === '') {
      const started = start(node, i)
      if (started.state !== undefined) {
        for (const { node: n } of outcomes(started, begin(started.state), false)) all.push(replace(world, i, n))
      }
    }
    const wiped = { ...node, durable: undefined, state: undefined }
    if (world.wipes < bounds.wipes && node.durable !== undefined) {
      const hadHistory = node.hadHistory || node.durable.state === 'formed'
      all.push(replace({ ...world, wipes: world.wipes + 1 }, i, { ...wiped, hadHistory }))
    }
  })
  if (world.late !== undefined) {
    const { to, hello } = world.late
    all.push(...deliver({ ...world, late: undefined }, to, hello, bounds))
  }
  return all
}

const EMPTY: World = {
  nodes: NAMES.map(() => ({ durable: undefined, state: undefined, failed: '', boots: 0, hadHistory: false })),
  late: undefined,
  lates: 0,
  crashes: 0,
  wipes: 0,
  clusters: [],
}

/** Everything that a world's future depends on, short. */
function keyOf(world: World): string {
  const nodes = world.nodes.map(({ durable, state, failed, boots, hadHistory }) => {
    const heard = NAMES.map((name) => {
      const h = state?.heard.get(name)
      return h === undefined ? '-' : `${h.boot}${h.state}${h.clusterId}${h.toMe}`
    })
    return [durable?.state, durable?.clusterId, state?.boot, failed, boots, hadHistory, ...heard].join()
  })
  const { late } = world
  const hello = late?.hello
  const words =
    hello === undefined ? '' : [late?.to, hello.from, hello.boot, hello.toBoot, hello.state, hello.clusterId]
  return [...nodes, words, world.lates, world.crashes, world.wipes].join(';')
}

/** Visits every state that can be reached within the bounds. */
function explore(bounds: Bounds, judge: (world: World) => void): number {
  const seen = new Set([keyOf(EMPTY)])
  const queue = [EMPTY]
  for (let world = queue.pop(); world !== undefined; world = queue.pop()) {
    judge(world)
    for (const next of successors(world, bounds)) {
      const key = keyOf(next)
      if (seen.has(key)) continue
      seen.add(key)
      queue.push(next)
    }
  }
  return seen.size
}

function safe(world: World): void {
  const why = () => JSON.stringify(world, null, 1)
  if (world.clusters.length > 1) throw new Error(`two clusters formed: ${why()}`)
  const [first] = world.nodes
  for (const node of world.nodes) {
    const formed = node.durable?.state === 'formed'
    if (formed && node.hadHistory) throw new Error(`a node that lost its memory joined: ${why()}`)
    if (formed && first?.durable?.state !== 'formed' && world.wipes === 0) {
      throw new Error(`formed somewhere, not at the first name: ${why()}`)
    }
    const claimed = node.state?.durable
    if (claimed !== undefined && JSON.stringify(claimed) !== JSON.stringify(node.durable)) {
      throw new Error(`something is believed that is not durable: ${why()}`)
    }
  }
}

/** With everybody up and no more mishap, asking round and round ends in one cluster. */
function converges(world: World): void {
  let now: World = { ...world, late: undefined }
  const calm: Bounds = { crashes: 0, wipes: 0, lates: 0 }
  for (const [i, node] of now.nodes.entries()) {
    if (node.state === undefined) now = replace(now, i, start(node, i))
  }
  for (let round = 0; round < 6; round++) {
    for (const i of [2, 1, 0]) for (const j of [0, 1, 2]) now = exchange(now, i, j, calm).at(-1) ?? now
  }
  if (!now.nodes.every((node) => node.durable?.state === 'formed')) {
    throw new Error(`stuck: ${JSON.stringify([world, now], null, 1)}`)
  }
}

/** Tens of thousands of states each: more than a busy machine visits in the default time. */
const LONG = { timeout: 120_000 }

describe('formation of three nodes, all ways', () => {
  test('a crash at every step: one cluster, and it always comes to be', LONG, () => {
    const visited = explore({ crashes: 1, wipes: 0, lates: 0 }, (world) => {
      safe(world)
      expect(world.nodes.map((n) => n.failed)).toEqual(['', '', ''])
      converges(world)
    })
    expect(visited).toBeGreaterThan(5000)
  })

  test('two crashes: one cluster, and nobody gives up', LONG, () => {
    const visited = explore({ crashes: 2, wipes: 0, lates: 0 }, (world) => {
      safe(world)
      for (const node of world.nodes) if (node.failed !== '') throw new Error(`gave up: ${JSON.stringify(world)}`)
    })
    expect(visited).toBeGreaterThan(20_000)
  })

  test('words that come late: one cluster, and it always comes to be', LONG, () => {
    const visited = explore({ crashes: 0, wipes: 0, lates: 1 }, (world) => {
      safe(world)
      converges(world)
    })
    expect(visited).toBeGreaterThan(5000)
  })

  test('a wiped folder, with words that come late: never two clusters, never a vote with lost memory', LONG, () => {
    const visited = explore({ crashes: 0, wipes: 1, lates: 1 }, safe)
    expect(visited).toBeGreaterThan(50_000)
  })
})
