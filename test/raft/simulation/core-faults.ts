/**
 * What happens to a simulated cluster of cores, as values: drawn one after the other from what the cluster is at the time,
 * kept as a list, and struck again from that list alone, whole or with some left out.
 */
import type { ConfChange, ConfChangeStep } from '../../../src/raft/conf-change.ts'
import type { Random } from './random.ts'
import type { SimNode } from './sim-node.ts'
import type { Swarm } from './swarm.ts'

/** From and to: messages that are lost. */
export type Link = readonly [number, number]

export type CoreFault =
  | {
      readonly type: 'propose' | 'read' | 'checkpoint' | 'campaign' | 'forgetLeader' | 'leaderUnreachable'
      readonly node: number
    }
  | { readonly type: 'crash'; readonly node: number; readonly losesState: boolean; readonly downMs: number }
  | { readonly type: 'stall'; readonly node: number; readonly ms: number }
  | { readonly type: 'cut'; readonly links: readonly Link[] }
  | { readonly type: 'mend' }
  | { readonly type: 'transfer'; readonly node: number; readonly to: number }
  /** `added`: new replicas, started first. `to`: the leader hands over instead, since the change would take it out. */
  | {
      readonly type: 'changeConf'
      readonly node: number
      readonly added: readonly number[]
      readonly change: Omit<ConfChange, 'context'> | { readonly to: number }
    }
  /** One that does not come back when the faults end. */
  | { readonly type: 'staysDown'; readonly node: number }

export type CoreEvent = CoreFault & { readonly atMs: number }

/** The cluster as it is when something is drawn. */
export interface Scene {
  readonly swarm: Swarm
  readonly nodes: ReadonlyMap<number, SimNode>
  /** Ids only grow. */
  readonly lastId: number
  readonly isCut: boolean
  leader(): SimNode | undefined
  mayLoseState(node: SimNode): boolean
}

const REPLICAS_MAX = 9
const DOWN_MS_MAX = 800
/** Ticks are 10 ms apart, elections 100 to 200. */
const STALL_MS_MAX = 400

export class FaultDraw {
  readonly #random: Random
  readonly #scene: Scene

  constructor(random: Random, scene: Scene) {
    this.#random = random
    this.#scene = scene
  }

  /** Each kind with its mean time between two, ms; 0: never. */
  get kinds(): readonly (readonly [number, () => CoreFault | undefined])[] {
    const { swarm } = this.#scene
    return [
      [swarm.proposeEvery, () => this.#at('propose')],
      [swarm.readEvery, () => this.#at('read')],
      [swarm.crashEvery, () => this.#crash()],
      [swarm.partitionEvery, () => this.#partition()],
      [swarm.transferEvery, () => this.#transfer()],
      [swarm.checkpointEvery, () => this.#at('checkpoint')],
      [swarm.confChangeEvery, () => this.#changeConf()],
      [swarm.whimEvery, () => this.#whim()],
      [swarm.stallEvery, () => this.#stall()],
    ]
  }

  /** Until the next of a kind. */
  waitMs(meanMs: number): number {
    return this.#random.between(1, 2 * meanMs)
  }

  /** Whether somebody stays down when the faults end, and who of `candidates`. */
  staysDown(candidates: () => readonly SimNode[]): SimNode | undefined {
    return this.#random.chance(0.5) ? this.#random.pick(candidates()) : undefined
  }

  #up(): SimNode | undefined {
    return this.#random.pick([...this.#scene.nodes.values()].filter((node) => node.raft !== undefined))
  }

  #at(type: 'propose' | 'read' | 'checkpoint'): CoreFault | undefined {
    const node = this.#up()
    return node && { type, node: node.id }
  }

  #crash(): CoreFault | undefined {
    const node = this.#random.chance(0.4) ? this.#scene.leader() : this.#up()
    if (node?.raft === undefined) return undefined
    const losesState = this.#random.chance(this.#scene.swarm.stateLoss) && this.#scene.mayLoseState(node)
    return { type: 'crash', node: node.id, losesState, downMs: this.#random.between(1, DOWN_MS_MAX) }
  }

  #stall(): CoreFault | undefined {
    const node = this.#random.chance(0.4) ? this.#scene.leader() : this.#up()
    return node && { type: 'stall', node: node.id, ms: this.#random.between(1, STALL_MS_MAX) }
  }

  #partition(): CoreFault {
    const { isCut, nodes } = this.#scene
    if (isCut && this.#random.chance(0.5)) return { type: 'mend' }
    const side = new Set([...nodes.keys()].filter(() => this.#random.chance(0.5)))
    const oneWay = this.#random.chance(0.3)
    const links: Link[] = []
    for (const a of side) {
      for (const b of nodes.keys()) {
        if (side.has(b)) continue
        links.push([a, b])
        if (!oneWay) links.push([b, a])
      }
    }
    return { type: 'cut', links }
  }

  #transfer(): CoreFault | undefined {
    const to = this.#up()
    const node = this.#up()
    return node && { type: 'transfer', node: node.id, to: to?.id ?? 1 }
  }

  #whim(): CoreFault | undefined {
    const node = this.#up()
    const whim = this.#random.below(3)
    return (
      node && { type: (['campaign', 'forgetLeader', 'leaderUnreachable'] as const)[whim] ?? 'campaign', node: node.id }
    )
  }

  /** Replica ids are never used twice: whoever is added is new. */
  #changeConf(): CoreFault | undefined {
    const leader = this.#scene.leader()
    if (leader?.raft === undefined) return undefined
    const { id: node } = leader
    const { voters, votersOutgoing, learners } = leader.raft.status().confState
    const changes: ConfChangeStep[] = []
    const added: number[] = []
    if (votersOutgoing.length === 0) {
      const count = this.#random.between(1, 2)
      for (let i = 0; i < count; i++) changes.push(this.#step(voters, learners, added))
    }
    const type = 'changeConf'
    // A host never takes the leader out of its own configuration: it transfers leadership first.
    if (!voters.includes(node) || changes.some((step) => step.replica === node && step.type !== 'addVoter')) {
      return { type, node, added, change: { to: voters.find((voter) => voter !== node) ?? 0 } }
    }
    const transition =
      changes.length === 0 ? 'auto' : (this.#random.pick(['auto', 'implicit', 'explicit'] as const) ?? 'auto')
    return { type, node, added, change: { transition, changes } }
  }

  #step(voters: readonly number[], learners: readonly number[], added: number[]): ConfChangeStep {
    const kind = this.#random.below(4)
    const learner = this.#random.pick(learners)
    const voter = this.#random.pick(voters)
    if (kind === 0 && learner !== undefined) return { type: 'addVoter', replica: learner }
    if (kind === 1 && voter !== undefined && voters.length > 3) return { type: 'remove', replica: voter }
    if (kind === 2 && voter !== undefined && voters.length > 3) return { type: 'addLearner', replica: voter }
    const fresh = this.#scene.lastId + added.length + 1
    if (fresh > REPLICAS_MAX) return { type: 'update', replica: voter ?? 1 }
    added.push(fresh)
    return { type: kind === 3 ? 'addLearner' : 'addVoter', replica: fresh }
  }
}
