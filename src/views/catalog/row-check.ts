/**
 * Which rows of a snapshot are rows of a catalog: each is looked at on its way in, in the order of the keys, before anything
 * is given up for it. No id is one that the counter has not handed out yet, and none is used twice.
 */
import { FIRST_FREE_ID } from '../../base/ids.ts'
import { ID_MAX } from '../../base/limits.ts'
import type { RowCheck } from '../view.ts'
import { checkCreate, checkNode } from './checks.ts'
import type { NodeRecord, PartitionRecord, TopicRecord } from './commands.ts'
import { type CatalogRow, COUNTERS_KEY, decodeRow, nodeKey, topicKey } from './rows.ts'

export class CatalogRowCheck implements RowCheck {
  /** Without a row of counters nothing was handed out. */
  #nextId = FIRST_FREE_ID
  readonly #nodes = new Map<number, NodeRecord>()
  readonly #ids = new Set<number>()
  #partitions = 0

  takes(key: string, value: Uint8Array): boolean {
    const row = read(key, value)
    switch (row?.type) {
      case 'counters':
        return key === COUNTERS_KEY && this.#counters(row.nextId)
      case 'node':
        return key === nodeKey(row.node.id) && this.#node(row.node)
      case 'topic':
        return key === topicKey(row.topic.name) && this.#topic(row.topic)
      default:
        return false
    }
  }

  #counters(nextId: number): boolean {
    this.#nextId = nextId
    // From half of the ids on nobody gets to their end.
    return nextId >= FIRST_FREE_ID && nextId <= ID_MAX / 2
  }

  #node(node: NodeRecord): boolean {
    if (node.id > ID_MAX || checkNode(node, this.#nodes) !== undefined) return false
    this.#nodes.set(node.id, node)
    return true
  }

  #topic(topic: TopicRecord): boolean {
    const { partitions } = topic
    const context = { exists: false, nodes: [...this.#nodes.values()], partitions: this.#partitions }
    this.#partitions += partitions.length
    const isOne = checkCreate({ type: 'createTopic', ...topic, partitions: partitions.length }, context) === undefined
    return isOne && this.#isFree(topic.id) && partitions.every((partition) => this.#partition(partition))
  }

  #partition({ group, replicas }: PartitionRecord): boolean {
    const nodes = new Set(replicas.map(({ node }) => node))
    if (replicas.length === 0 || nodes.size < replicas.length || !this.#isFree(group)) return false
    return replicas.every(({ replica, node }) => this.#nodes.has(node) && this.#isFree(replica))
  }

  #isFree(id: number): boolean {
    if (id < FIRST_FREE_ID || id >= this.#nextId || this.#ids.has(id)) return false
    this.#ids.add(id)
    return true
  }
}

function read(key: string, value: Uint8Array): CatalogRow | undefined {
  try {
    return decodeRow(key, value)
  } catch {
    return undefined
  }
}
