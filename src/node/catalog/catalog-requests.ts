/** What is asked of the catalog: topics made and deleted, this node registered. Refusals of the view become errors. */
import type { Env } from '../../base/env.ts'
import { SandglassError } from '../../base/errors.ts'
import type { NodeId } from '../../base/ids.ts'
import type { TopicInfo, TopicSpec } from '../../broker/directory.ts'
import type { CatalogView } from '../../views/catalog/catalog-view.ts'
import type { CatalogReply, NodeRecord } from '../../views/catalog/commands.ts'
import type { Identity } from '../formation/identity.ts'
import type { CatalogChanges } from './catalog-changes.ts'

export interface CatalogRequestsOptions {
  readonly env: Env
  readonly members: Identity['members']
  readonly view: CatalogView
  readonly changes: CatalogChanges
  /** The node is there, as far as is known here. */
  readonly alive: (node: NodeId) => boolean
}

const PAUSE_MS = 50
const REGISTER_TRY_MS = 5000
/** A topic made while the cluster comes up waits so long for the nodes of the formation: they carry partitions too. */
const ALL_REGISTERED_MS = 5000

export class CatalogRequests {
  readonly #env: Env
  readonly #members: Identity['members']
  readonly #view: CatalogView
  readonly #changes: CatalogChanges
  readonly #alive: (node: NodeId) => boolean

  constructor({ env, members, view, changes, alive }: CatalogRequestsOptions) {
    this.#env = env
    this.#members = members
    this.#view = view
    this.#changes = changes
    this.#alive = alive
  }

  async createTopic(spec: TopicSpec, deadlineMs: number): Promise<TopicInfo> {
    const endMs = this.#env.monoMs() + deadlineMs
    const patienceMs = Math.min(ALL_REGISTERED_MS, deadlineMs / 2)
    await this.#until(patienceMs, () => this.#members.every(({ id }) => this.#view.node(id) !== undefined))
    // A node that has just started has not heard from the others.
    await this.#until(patienceMs, () => this.#live().length * 2 > spec.replicationFactor)
    const { name, kind, partitions, replicationFactor } = spec
    const request = Buffer.from(this.#env.randomBytes(16)).toString('hex')
    const live = this.#live()
    const command = { type: 'createTopic', request, name, kind, partitions, replicationFactor, live } as const
    const { reply } = await this.#changes.propose(command, endMs - this.#env.monoMs())
    if (reply.type === 'refused') throw refusal(reply)
    const topic = this.#view.topic(name)
    if (topic?.request !== request) {
      throw new SandglassError('TOPIC_NOT_FOUND', `Cannot create topic ${name}: it was deleted at once`)
    }
    return topic
  }

  async deleteTopic(name: string, deadlineMs: number): Promise<void> {
    const endMs = this.#env.monoMs() + deadlineMs
    await this.#changes.refresh(deadlineMs)
    const topic = this.#view.topic(name)
    if (topic === undefined) throw new SandglassError('TOPIC_NOT_FOUND', `Cannot delete topic ${name}: there is none`)
    const command = { type: 'deleteTopic', name, id: topic.id } as const
    const { reply, uncertain } = await this.#changes.propose(command, endMs - this.#env.monoMs())
    // If an earlier try of this call may have done it, it did.
    if (reply.type !== 'refused' || (uncertain && reply.reason === 'TOPIC_NOT_FOUND')) return
    throw refusal(reply)
  }

  /** Until the catalog's entry of the node is this one. Rejects when it is refused, or with SHUTTING_DOWN. */
  register(node: NodeRecord): Promise<void> {
    return this.#persist(async () => {
      // What this replica knows of an earlier run may be behind what that run changed.
      await this.#changes.refresh(REGISTER_TRY_MS)
      if (sameRecord(this.#view.node(node.id), node)) return
      const { reply } = await this.#changes.propose({ type: 'registerNode', node }, REGISTER_TRY_MS)
      if (reply.type === 'refused') throw refusal(reply)
    })
  }

  /** An index that the catalog had committed after the call, once it is applied here. Rejects with SHUTTING_DOWN. */
  readPoint(): Promise<number> {
    return this.#persist(() => this.#changes.refresh(REGISTER_TRY_MS))
  }

  /** Tries again as long as what went wrong is passing. */
  async #persist<T>(run: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await run()
      } catch (error) {
        if (!(error instanceof SandglassError) || !isPassing(error)) throw error
        await this.#pause()
      }
    }
  }

  #live(): readonly NodeId[] {
    return this.#view.nodes().flatMap(({ id }) => (this.#alive(id) ? [id] : []))
  }

  /** At most `ms`. */
  async #until(ms: number, holds: () => boolean): Promise<void> {
    const endMs = this.#env.monoMs() + ms
    while (!holds() && this.#env.monoMs() < endMs && !this.#changes.closed) await this.#pause()
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#env.after(PAUSE_MS, resolve))
  }
}

function refusal(reply: Extract<CatalogReply, { type: 'refused' }>): SandglassError {
  const details = reply.field === '' ? {} : { field: reply.field }
  return new SandglassError(reply.reason, reply.message, details)
}

/** Worth another try: the catalog has no leader now, or nobody knows what became of the last one. */
function isPassing(error: SandglassError): boolean {
  return error.reason === 'NO_QUORUM' || error.reason === 'COMMIT_UNKNOWN' || error.reason === 'OVERLOADED'
}

function sameRecord(a: NodeRecord | undefined, b: NodeRecord): boolean {
  return (
    a?.id === b.id &&
    a.name === b.name &&
    a.grpc === b.grpc &&
    a.raft === b.raft &&
    a.http === b.http &&
    a.version === b.version
  )
}
