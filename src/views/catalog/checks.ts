/** What the catalog refuses, and why: the one place that judges a command's fields. */
import type { ErrorReason } from '../../base/errors.ts'
import type { NodeId } from '../../base/ids.ts'
import { CATALOG_PARTITIONS_MAX, NAME_CHARS_MAX, PARTITIONS_MAX, REPLICATION_FACTOR_MAX } from '../../base/limits.ts'
import type { CatalogReply, CreateTopicCommand, NodeRecord } from './commands.ts'

/** Of a cluster. */
export const NODES_MAX = 1_000
const ADDRESS_CHARS_MAX = 300
const NAME = new RegExp(`^[A-Za-z0-9._-]{1,${NAME_CHARS_MAX}}$`)

export interface CreateContext {
  readonly exists: boolean
  readonly nodes: readonly Pick<NodeRecord, 'id' | 'name'>[]
  readonly partitions: number
}

type Refusal = Extract<CatalogReply, { type: 'refused' }>

/** undefined: nothing speaks against it. */
export function checkCreate(command: CreateTopicCommand, context: CreateContext): Refusal | undefined {
  const { name, partitions, replicationFactor } = command
  const refuse = (reason: ErrorReason, why: string, field = ''): Refusal =>
    refusal(`create topic ${name}`, reason, why, field)
  if (!NAME.test(name)) return refuse('INVALID', `a name is 1 to ${NAME_CHARS_MAX} of A-Z a-z 0-9 . _ -`, 'name')
  if (name.startsWith('__')) return refuse('INVALID', 'names that begin with __ are reserved', 'name')
  if (!within(partitions, PARTITIONS_MAX)) {
    return refuse('INVALID', `partitions must be 1 to ${PARTITIONS_MAX}`, 'partitions')
  }
  if (!within(replicationFactor, REPLICATION_FACTOR_MAX)) {
    return refuse('INVALID', `the replication factor must be 1 to ${REPLICATION_FACTOR_MAX}`, 'replication_factor')
  }
  if (context.exists) return refuse('TOPIC_EXISTS', 'it exists')
  const short = shortOfNodes(command, context)
  if (short !== undefined) return refuse('NOT_ENOUGH_NODES', short)
  if (context.partitions + partitions > CATALOG_PARTITIONS_MAX) {
    return refuse('OVERLOADED', `the cluster would have more than ${CATALOG_PARTITIONS_MAX} partitions`)
  }
  return undefined
}

/** Each partition must find its nodes, and be able to elect a leader among those that are there. */
function shortOfNodes(command: CreateTopicCommand, { nodes }: CreateContext): string | undefined {
  const { replicationFactor, live } = command
  if (replicationFactor > nodes.length) return `replication factor ${replicationFactor} with ${nodes.length} nodes`
  if (live === undefined) return undefined
  const missing = nodes.filter(({ id }) => !live.includes(id))
  const needed = Math.floor(replicationFactor / 2) + 1
  const there = nodes.length - missing.length
  if (there >= needed) return undefined
  const names = missing.map(({ name }) => name).join(', ')
  return `replication factor ${replicationFactor} with ${there} of at least ${needed} nodes that are there; missing: ${names}`
}

/** A node keeps its id and its name for ever; two nodes never share a name. */
export function checkNode(node: NodeRecord, known: ReadonlyMap<NodeId, NodeRecord>): Refusal | undefined {
  const refuse = (reason: ErrorReason, why: string, field = ''): Refusal =>
    refusal(`register node ${node.name}`, reason, why, field)
  if (!NAME.test(node.name)) return refuse('INVALID', 'its name is not one', 'name')
  if (node.id < 1) return refuse('INVALID', 'it has no id', 'id')
  for (const text of [node.grpc, node.raft, node.http, node.version]) {
    if (text.length > ADDRESS_CHARS_MAX) return refuse('INVALID', 'an address is too long')
  }
  const before = known.get(node.id)
  if (before === undefined && known.size >= NODES_MAX) return refuse('OVERLOADED', `there are ${NODES_MAX}`)
  if (before !== undefined && before.name !== node.name) {
    return refuse('INVALID', `node ${node.id} is called ${before.name}`, 'name')
  }
  for (const other of known.values()) {
    if (other.id !== node.id && other.name === node.name)
      return refuse('INVALID', `node ${other.id} has this name`, 'name')
  }
  return undefined
}

function within(value: number, max: number): boolean {
  return value >= 1 && value <= max
}

function refusal(action: string, reason: ErrorReason, why: string, field: string): Refusal {
  return { type: 'refused', reason, message: `Cannot ${action}: ${why}`, field }
}
