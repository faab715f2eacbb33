import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeCommand, decodeReply, encodeCommand, encodeReply } from '../../../src/views/catalog/command-codec.ts'
import type { CatalogCommand, CatalogReply } from '../../../src/views/catalog/commands.ts'

const id = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const text = fc.string({ unit: 'grapheme' })

const command: fc.Arbitrary<CatalogCommand> = fc.oneof(
  fc.record({
    type: fc.constant('registerNode' as const),
    node: fc.record({ id, name: text, grpc: text, raft: text, http: text, version: text }),
  }),
  fc.record({
    type: fc.constant('createTopic' as const),
    request: text,
    name: text,
    kind: fc.constantFrom('timer' as const, 'kv' as const),
    partitions: id,
    replicationFactor: id,
    live: fc.array(id, { maxLength: 5 }),
  }),
  fc.record({ type: fc.constant('deleteTopic' as const), name: text, id }),
)

const reply: fc.Arbitrary<CatalogReply> = fc.oneof(
  fc.record({ type: fc.constant('nodeRegistered' as const), changed: fc.boolean() }),
  fc.record({ type: fc.constant('topicCreated' as const), id }),
  fc.record({ type: fc.constant('topicDeleted' as const), id }),
  fc.record({
    type: fc.constant('refused' as const),
    reason: fc.constantFrom('INVALID' as const, 'TOPIC_EXISTS' as const, 'NOT_ENOUGH_NODES' as const),
    message: text,
    field: text,
  }),
)

describe('catalog codec', () => {
  test('every command comes back as it was', () => {
    fc.assert(
      fc.property(command, (c) => {
        expect(decodeCommand(encodeCommand(c))).toEqual(c)
      }),
    )
  })

  test('a topic that an earlier version asked for has all nodes for there', () => {
    const asked = {
      type: 'createTopic',
      request: 'r',
      name: 't',
      kind: 'timer',
      partitions: 1,
      replicationFactor: 3,
    } as const
    const bytes = encodeCommand({ ...asked, live: [] }).slice(0, -1)
    bytes[1] = 1
    expect(decodeCommand(bytes)).toEqual(asked)
  })

  test('every reply comes back as it was', () => {
    fc.assert(
      fc.property(reply, (r) => {
        expect(decodeReply(encodeReply(r))).toEqual(r)
      }),
    )
  })

  test('bytes cut short or with something behind them are never taken', () => {
    fc.assert(
      fc.property(command, fc.nat(), (c, cut) => {
        const bytes = encodeCommand(c)
        expect(() => decodeCommand(bytes.subarray(0, cut % bytes.length))).toThrow()
        expect(() => decodeCommand(Uint8Array.of(...bytes, 0))).toThrow()
      }),
    )
  })

  test('the bytes of a command are those that docs/formats.md shows', () => {
    const bytes = encodeCommand({ type: 'deleteTopic', name: 'orders', id: 1000 })
    expect(Buffer.from(bytes).toString('hex')).toBe('0301066f7264657273e807')
  })
})
