/** Rows of a snapshot of the catalog that another node made up. */
import { describe, expect, test } from 'vitest'
import type { NodeRecord, TopicRecord } from '../../../src/views/catalog/commands.ts'
import { CatalogRowCheck } from '../../../src/views/catalog/row-check.ts'
import { encodeCounters, encodeNode, encodeTopic, nodeKey, topicKey } from '../../../src/views/catalog/rows.ts'

type Row = readonly [key: string, value: Uint8Array]

const record: NodeRecord = { id: 1, name: 'n1', grpc: 'h:1', raft: 'h:2', http: 'h:3', version: '1' }
const orders: TopicRecord = {
  ...{ id: 1000, name: 'orders', kind: 'timer', replicationFactor: 1, request: 'r' },
  partitions: [{ topic: 'orders', id: 0, group: 1001, replicas: [{ replica: 1002, node: 1 }] }],
}
const counters = (nextId: number): Row => ['c', encodeCounters(nextId)]
const node = (change: Partial<NodeRecord> = {}): Row => [
  nodeKey(change.id ?? record.id),
  encodeNode({ ...record, ...change }),
]
const topic = (change: Partial<TopicRecord> = {}): Row => [
  topicKey(change.name ?? orders.name),
  encodeTopic({ ...orders, ...change }),
]
const placed = (group: number, ...replicas: readonly (readonly [replica: number, node: number])[]): Row =>
  topic({
    partitions: [{ topic: 'orders', id: 0, group, replicas: replicas.map(([replica, at]) => ({ replica, node: at })) }],
  })

function taken(...rows: readonly Row[]): boolean {
  const check = new CatalogRowCheck()
  return rows.every(([key, value]) => check.takes(key, value))
}

describe('a row of a catalog', () => {
  test('that a replica made is taken', () => {
    expect(taken(counters(1003), node(), topic())).toBe(true)
    expect(taken()).toBe(true)
  })

  test.each<[what: string, ...Row[]]>([
    ['that is garbage', ['c', Uint8Array.of(9, 9)]],
    ['of a key that there is not', ['x', Uint8Array.of(1, 0)]],
    ['cut short', ['c', Uint8Array.of(1, 0x80)]],
    ['whose text is no text', [nodeKey(1), Uint8Array.of(1, 1, 1, 0xff, 0, 0, 0, 0)]],
    ['of counters at the end of all ids', counters(2 ** 52)],
    ['of counters that give ids out again', counters(5)],
    ['of a node under another id', ['n2', node()[1]]],
    ['of a node without a name', node({ name: '' })],
    ['of a second node of the name', node(), node({ id: 2 })],
    ['of a topic under another name', counters(1003), node(), ['tother', topic()[1]]],
    ['of a topic with an id that nobody gave out', counters(1000), node(), topic()],
    ['of a topic that two have the id of', counters(1003), node(), topic(), topic({ name: 'z' })],
    ['of a topic without partitions', counters(1003), node(), topic({ partitions: [] })],
    ['of the group of the catalog', counters(1003), node(), placed(1, [1002, 1])],
    ['of a group nowhere', counters(1003), node(), placed(1001)],
    ['of a replica on a node that there is not', counters(1003), node(), placed(1001, [1002, 2])],
    ['of two replicas on one node', counters(1004), node(), placed(1001, [1002, 1], [1003, 1])],
  ])('%s is refused', (_, ...rows) => {
    expect(taken(...rows.slice(0, -1))).toBe(true)
    expect(taken(...rows)).toBe(false)
  })
})
