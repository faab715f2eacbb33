/**
 * The catalog: nodes, topics, and which node carries which partition. All of it is in memory; rows are written at a checkpoint.
 * Invariant: a group or replica id below `nextId` that is not found here belonged to something that was deleted.
 */
import { unreachable } from '../../base/assert.ts'
import { FIRST_FREE_ID, type GroupId, type NodeId } from '../../base/ids.ts'
import type { Applied, ApplyContext, FrozenRows, Reader, RowCheck, RowSink, View } from '../view.ts'
import { checkCreate, checkNode } from './checks.ts'
import { decodeCommand, isCommand } from './command-codec.ts'
import type {
  CatalogEffect,
  CatalogReply,
  CreateTopicCommand,
  DeleteTopicCommand,
  NodeRecord,
  PartitionRecord,
  TopicRecord,
} from './commands.ts'
import { type NodeLoad, placeTopic } from './placement.ts'
import { CatalogRowCheck } from './row-check.ts'
import {
  type CatalogRow,
  COUNTERS_KEY,
  eachRow,
  encodeCounters,
  encodeNode,
  encodeTopic,
  nodeKey,
  nodeOfKey,
  topicKey,
  topicOfKey,
} from './rows.ts'

export interface CatalogView extends View<CatalogReply, CatalogEffect> {
  topic(name: string): TopicRecord | undefined
  /** By name. */
  topics(): readonly TopicRecord[]
  node(id: NodeId): NodeRecord | undefined
  /** By id. */
  nodes(): readonly NodeRecord[]
  partitionOfGroup(group: GroupId): PartitionRecord | undefined
  /** The next id that will be handed out. */
  readonly nextId: number
  /** Grows with every change; a listener compares it. */
  readonly revision: number
}

/** An empty catalog. */
export function createCatalogView(): CatalogView {
  return new Catalog()
}

/** Heap of one replica's place, and of a record beside its texts. */
const PLACE_BYTES = 64
const RECORD_BYTES = 512

class Catalog implements CatalogView {
  #nodes = new Map<NodeId, NodeRecord>()
  #topics = new Map<string, TopicRecord>()
  #partitions = new Map<GroupId, PartitionRecord>()
  /** Keys of rows that differ from the store's. */
  #dirty = new Set<string>()
  #nextId = FIRST_FREE_ID
  #revision = 0
  #replicas = 0

  get nextId(): number {
    return this.#nextId
  }

  get revision(): number {
    return this.#revision
  }

  topic(name: string): TopicRecord | undefined {
    return this.#topics.get(name)
  }

  topics(): readonly TopicRecord[] {
    return [...this.#topics.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  node(id: NodeId): NodeRecord | undefined {
    return this.#nodes.get(id)
  }

  nodes(): readonly NodeRecord[] {
    return [...this.#nodes.values()].sort((a, b) => a.id - b.id)
  }

  partitionOfGroup(group: GroupId): PartitionRecord | undefined {
    return this.#partitions.get(group)
  }

  isCommand(bytes: Uint8Array): boolean {
    return isCommand(bytes)
  }

  apply(command: Uint8Array, _context: ApplyContext): Applied<CatalogReply, CatalogEffect> {
    const before = this.#revision
    const reply = this.#change(command)
    return { reply, effects: this.#revision === before ? [] : [{ type: 'changed' }] }
  }

  async load(reader: Reader): Promise<() => void> {
    const loaded = new Catalog()
    await eachRow(reader, (row) => loaded.#restore(row))
    return () => this.#become(loaded)
  }

  rowCheck(): RowCheck {
    return new CatalogRowCheck()
  }

  /** Records never change, they are replaced. */
  freeze(): FrozenRows {
    const rows = Array.from(this.#dirty, (key) => ({ key, encode: this.#encoder(key) }))
    this.#dirty.clear()
    return {
      *write(to: RowSink): Generator<void, void> {
        for (const { key, encode } of rows) {
          if (encode === undefined) to.delete(key)
          else to.put(key, encode())
          yield
        }
      },
    }
  }

  bytes(): number {
    return (this.#nodes.size + this.#topics.size + this.#partitions.size) * RECORD_BYTES + this.#replicas * PLACE_BYTES
  }

  #change(bytes: Uint8Array): CatalogReply {
    const command = decodeCommand(bytes)
    switch (command.type) {
      case 'registerNode':
        return this.#registerNode(command.node)
      case 'createTopic':
        return this.#createTopic(command)
      case 'deleteTopic':
        return this.#deleteTopic(command)
      default:
        return unreachable(command)
    }
  }

  #registerNode(node: NodeRecord): CatalogReply {
    const refusal = checkNode(node, this.#nodes)
    if (refusal !== undefined) return refusal
    const known = this.#nodes.get(node.id)
    if (known !== undefined && sameNode(known, node)) return { type: 'nodeRegistered', changed: false }
    this.#nodes.set(node.id, node)
    this.#touch(nodeKey(node.id))
    return { type: 'nodeRegistered', changed: true }
  }

  #createTopic(command: CreateTopicCommand): CatalogReply {
    const known = this.#topics.get(command.name)
    if (known !== undefined && known.request === command.request) return { type: 'topicCreated', id: known.id }
    const refusal = checkCreate(command, {
      exists: known !== undefined,
      nodes: this.nodes(),
      partitions: this.#partitions.size,
    })
    if (refusal !== undefined) return refusal
    const { name, kind, replicationFactor, request } = command
    const id = this.#nextId++
    const places = placeTopic(this.#loads(command.live), command)
    const partitions = places.map((nodes, index) => this.#newPartition(name, index, nodes))
    this.#addTopic({ id, name, kind, replicationFactor, request, partitions })
    this.#touch(topicKey(name))
    this.#dirty.add(COUNTERS_KEY)
    return { type: 'topicCreated', id }
  }

  #deleteTopic({ name, id }: DeleteTopicCommand): CatalogReply {
    const topic = this.#topics.get(name)
    if (topic === undefined || topic.id !== id) {
      const message = `Cannot delete topic ${name}: there is none`
      return { type: 'refused', reason: 'TOPIC_NOT_FOUND', message, field: '' }
    }
    this.#topics.delete(name)
    for (const { group, replicas } of topic.partitions) {
      this.#partitions.delete(group)
      this.#replicas -= replicas.length
    }
    this.#touch(topicKey(name))
    return { type: 'topicDeleted', id }
  }

  #newPartition(topic: string, id: number, nodes: readonly NodeId[]): PartitionRecord {
    const group = this.#nextId++
    return { topic, id, group, replicas: nodes.map((node) => ({ replica: this.#nextId++, node })) }
  }

  #addTopic(topic: TopicRecord): void {
    this.#topics.set(topic.name, topic)
    for (const partition of topic.partitions) {
      this.#partitions.set(partition.group, partition)
      this.#replicas += partition.replicas.length
    }
  }

  #loads(live: readonly NodeId[] | undefined): readonly NodeLoad[] {
    const isLive = (node: NodeId) => live?.includes(node) ?? true
    const loads = new Map(this.nodes().map(({ id }) => [id, { node: id, replicas: 0, leaders: 0, live: isLive(id) }]))
    for (const { replicas } of this.#partitions.values()) {
      replicas.forEach(({ node }, place) => {
        const load = loads.get(node)
        if (load === undefined) return
        load.replicas++
        if (place === 0) load.leaders++
      })
    }
    return [...loads.values()]
  }

  #touch(key: string): void {
    this.#dirty.add(key)
    this.#revision++
  }

  /** Of the row as it is now; undefined if there is none any more. */
  #encoder(key: string): (() => Uint8Array) | undefined {
    const nextId = this.#nextId
    if (key === COUNTERS_KEY) return () => encodeCounters(nextId)
    const topic = this.#topics.get(topicOfKey(key) ?? '')
    if (topic !== undefined) return () => encodeTopic(topic)
    const node = this.#nodes.get(nodeOfKey(key) ?? 0)
    return node === undefined ? undefined : () => encodeNode(node)
  }

  #restore(row: CatalogRow): void {
    if (row.type === 'counters') this.#nextId = row.nextId
    else if (row.type === 'node') this.#nodes.set(row.node.id, row.node)
    else this.#addTopic(row.topic)
  }

  #become(other: Catalog): void {
    this.#nodes = other.#nodes
    this.#topics = other.#topics
    this.#partitions = other.#partitions
    this.#dirty = other.#dirty
    this.#nextId = other.#nextId
    this.#replicas = other.#replicas
    this.#revision++
  }
}

function sameNode(a: NodeRecord, b: NodeRecord): boolean {
  return a.name === b.name && a.grpc === b.grpc && a.raft === b.raft && a.http === b.http && a.version === b.version
}
