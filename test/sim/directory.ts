/** The cluster as the broker of one simulated node asks about it: only who leads is of interest. */
import { SandglassError } from '../../src/base/errors.ts'
import type { GroupId, NodeId } from '../../src/base/ids.ts'
import type { Directory, NodeInfo } from '../../src/broker/directory.ts'

export class SimDirectory implements Directory {
  readonly self: NodeId
  readonly clusterId = 'simulated'
  readonly #leaderOf: (group: GroupId) => NodeId

  constructor(self: NodeId, leaderOf: (group: GroupId) => NodeId) {
    this.self = self
    this.#leaderOf = leaderOf
  }

  topic(): undefined {
    return undefined
  }

  topics(): readonly [] {
    return []
  }

  node(id: NodeId): NodeInfo {
    return { id, name: `n${id}`, grpc: `n${id}:1`, alive: true, version: '0' }
  }

  nodes(): readonly [] {
    return []
  }

  leaderOf(group: GroupId): NodeId {
    return this.#leaderOf(group)
  }

  createTopic(): Promise<never> {
    return Promise.reject(new SandglassError('UNSUPPORTED', 'Cannot create topics: the simulation has its own'))
  }

  deleteTopic(): Promise<never> {
    return Promise.reject(new SandglassError('UNSUPPORTED', 'Cannot delete topics: the simulation has its own'))
  }

  refresh(): Promise<void> {
    return Promise.resolve()
  }

  transferLeader(): void {
    // Transfers are faults of the run.
  }

  onChange(): void {
    // Nobody routes here.
  }
}
