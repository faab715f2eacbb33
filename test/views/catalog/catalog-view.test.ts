import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CatalogView, createCatalogView } from '../../../src/views/catalog/catalog-view.ts'
import { encodeCommand } from '../../../src/views/catalog/command-codec.ts'
import type { CatalogCommand, CatalogReply, NodeRecord } from '../../../src/views/catalog/commands.ts'
import { UnknownCommandError } from '../../../src/views/view.ts'
import { flush } from '../flushed.ts'
import { reload } from '../reload.ts'
import { MemoryStore } from './memory-store.ts'

const node = (id: number, name = `n${id}`): NodeRecord => ({
  id,
  name,
  grpc: `${name}:7170`,
  raft: `${name}:9190`,
  http: `${name}:2108`,
  version: '0.1.0',
})

const create = (
  name: string,
  request = name,
  partitions = 3,
  replicationFactor = 2,
  live = [1, 2, 3],
): CatalogCommand => ({
  type: 'createTopic',
  request,
  name,
  kind: 'timer',
  partitions,
  replicationFactor,
  live,
})

class Fixture {
  readonly store = new MemoryStore()
  view: CatalogView = createCatalogView()
  #index = 0

  apply(command: CatalogCommand): CatalogReply {
    return this.view.apply(encodeCommand(command), this.store.context(++this.#index)).reply
  }

  nodes(count: number): this {
    for (let i = 1; i <= count; i++) this.apply({ type: 'registerNode', node: node(i) })
    return this
  }

  async reload(): Promise<CatalogView> {
    flush(this.view, this.store)
    return reload(createCatalogView(), this.store)
  }
}

const contents = (view: CatalogView): unknown => ({ nodes: view.nodes(), topics: view.topics(), nextId: view.nextId })

describe('catalog view', () => {
  test('a created topic has partitions with groups and replicas of their own, found by name and by group', () => {
    const f = new Fixture().nodes(3)
    expect(f.apply(create('orders'))).toEqual({ type: 'topicCreated', id: 1000 })
    const topic = f.view.topic('orders')
    const ids = topic?.partitions.flatMap((p) => [p.group, ...p.replicas.map((r) => r.replica)]) ?? []
    expect(ids).toHaveLength(9)
    expect(new Set([1000, ...ids]).size).toBe(10)
    for (const p of topic?.partitions ?? []) expect(f.view.partitionOfGroup(p.group)).toBe(p)
  })

  test('a topic of an existing name is refused, the same request is answered again', () => {
    const f = new Fixture().nodes(3)
    f.apply(create('orders', 'a'))
    const before = f.view.revision
    expect(f.apply(create('orders', 'a'))).toEqual({ type: 'topicCreated', id: 1000 })
    expect(f.apply(create('orders', 'b'))).toMatchObject({ type: 'refused', reason: 'TOPIC_EXISTS' })
    expect(f.view.revision).toBe(before)
  })

  test('more replicas than nodes are refused with NOT_ENOUGH_NODES', () => {
    const f = new Fixture().nodes(2)
    expect(f.apply(create('orders', 'a', 1, 3))).toMatchObject({ type: 'refused', reason: 'NOT_ENOUGH_NODES' })
    expect(f.view.topics()).toEqual([])
    expect(f.view.nextId).toBe(1000)
  })

  test.each([
    [3, [1], 'with 1 of at least 2 nodes that are there; missing: n2, n3'],
    [2, [3], 'with 1 of at least 2 nodes that are there; missing: n1, n2'],
    [1, [], 'with 0 of at least 1 nodes that are there; missing: n1, n2, n3'],
  ])('replication factor %i while only %j are there is refused: no partition could elect a leader', (rf, live, why) => {
    const f = new Fixture().nodes(3)
    const reply = f.apply(create('orders', 'a', 4, rf, live))
    expect(reply).toMatchObject({ type: 'refused', reason: 'NOT_ENOUGH_NODES', message: expect.stringContaining(why) })
    expect(f.view.topics()).toEqual([])
  })

  test('during a restart of one node of three a topic is made on all of them, and led by those that are there', () => {
    const f = new Fixture().nodes(3)
    expect(f.apply(create('orders', 'a', 4, 3, [1, 3]))).toMatchObject({ type: 'topicCreated' })
    for (const { replicas } of f.view.topic('orders')?.partitions ?? []) {
      expect(replicas.map(({ node }) => node).sort()).toEqual([1, 2, 3])
      expect(replicas[0]?.node).not.toBe(2)
    }
  })

  test.each([
    [create(''), 'name'],
    [create('a b'), 'name'],
    [create('__mine'), 'name'],
    [create('x'.repeat(129)), 'name'],
    [create('t', 'r', 0), 'partitions'],
    [create('t', 'r', 1025), 'partitions'],
    [create('t', 'r', 1, 0), 'replication_factor'],
    [create('t', 'r', 1, 8), 'replication_factor'],
  ])('bad input is refused with the field %#', (command, field) => {
    const f = new Fixture().nodes(3)
    expect(f.apply(command)).toMatchObject({ type: 'refused', reason: 'INVALID', field })
  })

  test('a deleted topic made again has no id of the old one', () => {
    const f = new Fixture().nodes(3)
    f.apply(create('orders', 'a'))
    const old = f.view.topic('orders')
    const group = old?.partitions[0]?.group ?? 0
    expect(f.apply({ type: 'deleteTopic', name: 'orders', id: 1000 })).toEqual({ type: 'topicDeleted', id: 1000 })
    expect(f.view.partitionOfGroup(group)).toBeUndefined()
    f.apply(create('orders', 'b'))
    const ids = (t: typeof old): number[] =>
      t?.partitions.flatMap((p) => [p.group, ...p.replicas.map((r) => r.replica)]) ?? []
    const again = new Set(ids(f.view.topic('orders')))
    expect(ids(old).filter((id) => again.has(id))).toEqual([])
  })

  test('deleting an older topic of the name leaves the newer one alone', () => {
    const f = new Fixture().nodes(3)
    f.apply(create('orders', 'a'))
    f.apply({ type: 'deleteTopic', name: 'orders', id: 1000 })
    f.apply(create('orders', 'b'))
    const reply = f.apply({ type: 'deleteTopic', name: 'orders', id: 1000 })
    expect(reply).toMatchObject({ type: 'refused', reason: 'TOPIC_NOT_FOUND' })
    expect(f.view.topic('orders')).toBeDefined()
  })

  test('a node that registers again with other addresses replaces its record, with the same ones it changes nothing', () => {
    const f = new Fixture().nodes(2)
    expect(f.apply({ type: 'registerNode', node: node(1) })).toEqual({ type: 'nodeRegistered', changed: false })
    const moved = { ...node(1), raft: 'elsewhere:1' }
    expect(f.apply({ type: 'registerNode', node: moved })).toEqual({ type: 'nodeRegistered', changed: true })
    expect(f.view.node(1)).toEqual(moved)
  })

  test('two nodes never share a name and a node keeps its own', () => {
    const f = new Fixture().nodes(2)
    expect(f.apply({ type: 'registerNode', node: node(3, 'n1') })).toMatchObject({ reason: 'INVALID' })
    expect(f.apply({ type: 'registerNode', node: node(1, 'other') })).toMatchObject({ reason: 'INVALID' })
  })

  test('a command of a later build stops the view instead of being skipped', () => {
    const f = new Fixture()
    expect(() => f.view.apply(Uint8Array.of(99, 1), f.store.context(1))).toThrow(UnknownCommandError)
    expect(() => f.view.apply(Uint8Array.of(1, 2), f.store.context(1))).toThrow(UnknownCommandError)
  })

  test('whatever happened, a view loaded from the flushed rows is the same one and decides the same', async () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('create' as const),
        name: fc.constantFrom('a', 'b', 'c'),
        n: fc.integer({ min: 1, max: 9 }),
      }),
      fc.record({ kind: fc.constant('delete' as const), name: fc.constantFrom('a', 'b', 'c'), n: fc.constant(0) }),
      fc.record({ kind: fc.constant('flush' as const), name: fc.constant(''), n: fc.constant(0) }),
      fc.record({ kind: fc.constant('node' as const), name: fc.constant(''), n: fc.integer({ min: 1, max: 5 }) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const f = new Fixture().nodes(2)
        for (const [i, { kind, name, n }] of steps.entries()) {
          if (kind === 'create') f.apply(create(name, `r${i}`, n))
          else if (kind === 'delete') f.apply({ type: 'deleteTopic', name, id: f.view.topic(name)?.id ?? 0 })
          else if (kind === 'node') f.apply({ type: 'registerNode', node: { ...node(n), version: `${i}` } })
          else flush(f.view, f.store)
        }
        const loaded = await f.reload()
        expect(contents(loaded)).toEqual(contents(f.view))
        const next = encodeCommand(create('next', 'r', 5))
        const context = f.store.context(1000)
        expect(loaded.apply(next, context)).toEqual(f.view.apply(next, context))
        expect(contents(loaded)).toEqual(contents(f.view))
      }),
      { numRuns: 100 },
    )
  })
})
