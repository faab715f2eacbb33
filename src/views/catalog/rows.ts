/** Rows of the catalog's state (docs/formats.md, "Catalog"): one of counters, one for each node and each topic. */
import { assert } from '../../base/assert.ts'
import type { NodeId } from '../../base/ids.ts'
import type { Reader } from '../view.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import { readKind, readNode, writeKind, writeNode } from './command-codec.ts'
import type { NodeRecord, PartitionRecord, TopicRecord } from './commands.ts'

const VERSION = 1
const SCAN_ROWS = 256
const COUNTERS = 'c'
const NODE = 'n'
const TOPIC = 't'

export type CatalogRow =
  | { readonly type: 'counters'; readonly nextId: number }
  | { readonly type: 'node'; readonly node: NodeRecord }
  | { readonly type: 'topic'; readonly topic: TopicRecord }

/** Every row of the catalog. */
const ALL_ROWS = { gte: COUNTERS, lt: '\xff' } as const

export const COUNTERS_KEY = COUNTERS

export function nodeKey(id: NodeId): string {
  return `${NODE}${id}`
}

export function topicKey(name: string): string {
  return `${TOPIC}${name}`
}

export function nodeOfKey(key: string): NodeId | undefined {
  return key.startsWith(NODE) ? Number(key.slice(NODE.length)) : undefined
}

export function topicOfKey(key: string): string | undefined {
  return key.startsWith(TOPIC) ? key.slice(TOPIC.length) : undefined
}

export function encodeCounters(nextId: number): Uint8Array {
  return new ByteWriter().byte(VERSION).varint(nextId).finish()
}

export function encodeNode(node: NodeRecord): Uint8Array {
  const out = new ByteWriter().byte(VERSION)
  writeNode(out, node)
  return out.finish()
}

export function encodeTopic(topic: TopicRecord): Uint8Array {
  const out = new ByteWriter().byte(VERSION).varint(topic.id).text(topic.name)
  writeKind(out, topic.kind)
  out.varint(topic.replicationFactor).text(topic.request).varint(topic.partitions.length)
  for (const partition of topic.partitions) {
    out.varint(partition.group).varint(partition.replicas.length)
    for (const { replica, node } of partition.replicas) out.varint(replica).varint(node)
  }
  return out.finish()
}

export async function eachRow(reader: Reader, take: (row: CatalogRow) => void): Promise<void> {
  let gte: string = ALL_ROWS.gte
  for (;;) {
    const rows = await reader.scan({ gte, lt: ALL_ROWS.lt }, SCAN_ROWS)
    for (const { key, value } of rows) take(decodeRow(key, value))
    const last = rows.at(-1)
    if (last === undefined) return
    gte = `${last.key}\0`
  }
}

export function decodeRow(key: string, value: Uint8Array): CatalogRow {
  const input = new ByteReader(value)
  assert(input.byte() === VERSION, 'a catalog row has a known version')
  const row = decodeFields(key.charAt(0), input)
  input.end()
  return row
}

function decodeFields(kind: string, input: ByteReader): CatalogRow {
  if (kind === COUNTERS) return { type: 'counters', nextId: input.varint() }
  if (kind === NODE) return { type: 'node', node: readNode(input) }
  assert(kind === TOPIC, 'a catalog row is of a known kind')
  return { type: 'topic', topic: readTopic(input) }
}

function readTopic(input: ByteReader): TopicRecord {
  const id = input.varint()
  const name = input.text()
  const kind = readKind(input)
  const replicationFactor = input.varint()
  const request = input.text()
  const partitions: PartitionRecord[] = []
  const count = input.varint()
  for (let i = 0; i < count; i++) partitions.push(readPartition(input, name, i))
  return { id, name, kind, replicationFactor, request, partitions }
}

function readPartition(input: ByteReader, topic: string, id: number): PartitionRecord {
  const group = input.varint()
  const count = input.varint()
  const replicas = []
  for (let i = 0; i < count; i++) replicas.push({ replica: input.varint(), node: input.varint() })
  return { topic, id, group, replicas }
}
