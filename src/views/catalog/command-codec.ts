/** Commands and replies of the catalog as bytes (docs/formats.md, "Catalog"): type, version, then the fields in order. */
import { assert, unreachable } from '../../base/assert.ts'
import { ERROR_TABLE, type ErrorReason } from '../../base/errors.ts'
import { UnknownCommandError } from '../view.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import { NODES_MAX } from './checks.ts'
import type { CatalogCommand, CatalogReply, CreateTopicCommand, NodeRecord, TopicKind } from './commands.ts'

const VERSION = 1
/** Of createTopic: 2 says which nodes are there. */
const CREATE_VERSION = 2
const COMMAND = { registerNode: 1, createTopic: 2, deleteTopic: 3 } as const satisfies Record<
  CatalogCommand['type'],
  number
>
const REPLY = { nodeRegistered: 1, topicCreated: 2, topicDeleted: 3, refused: 4 } as const satisfies Record<
  CatalogReply['type'],
  number
>
const KIND = { timer: 1, kv: 2 } as const satisfies Record<TopicKind, number>

export function encodeCommand(command: CatalogCommand): Uint8Array {
  const out = new ByteWriter().byte(COMMAND[command.type])
  out.byte(command.type === 'createTopic' ? CREATE_VERSION : VERSION)
  switch (command.type) {
    case 'registerNode':
      writeNode(out, command.node)
      break
    case 'createTopic':
      writeCreateTopic(out, command)
      break
    case 'deleteTopic':
      out.text(command.name).varint(command.id)
      break
    default:
      unreachable(command)
  }
  return out.finish()
}

/** Throws UnknownCommandError for a type or version of a later build, InvariantError for bytes that no build wrote. */
export function decodeCommand(bytes: Uint8Array): CatalogCommand {
  const input = new ByteReader(bytes)
  const type = input.byte()
  const version = input.byte()
  const newest = type === COMMAND.createTopic ? CREATE_VERSION : VERSION
  if (version < VERSION || version > newest) {
    throw new UnknownCommandError(`catalog command ${type} of version ${version}`)
  }
  const command = decodeFields(type, version, input)
  input.end()
  return command
}

/** Whether {@link decodeCommand} reads them. What their fields say is judged when they are applied (checks.ts). */
export function isCommand(bytes: Uint8Array): boolean {
  try {
    decodeCommand(bytes)
    return true
  } catch {
    return false
  }
}

function decodeFields(type: number, version: number, input: ByteReader): CatalogCommand {
  switch (type) {
    case COMMAND.registerNode:
      return { type: 'registerNode', node: readNode(input) }
    case COMMAND.createTopic:
      return readCreateTopic(version, input)
    case COMMAND.deleteTopic:
      return { type: 'deleteTopic', name: input.text(), id: input.varint() }
    default:
      throw new UnknownCommandError(`catalog command ${type}`)
  }
}

function writeCreateTopic(out: ByteWriter, command: CreateTopicCommand): void {
  const { request, name, kind, partitions, replicationFactor, live } = command
  assert(live !== undefined, 'whoever asks for a topic says which nodes are there')
  out.text(request).text(name)
  writeKind(out, kind)
  out.varint(partitions).varint(replicationFactor).varint(live.length)
  for (const node of live) out.varint(node)
}

function readCreateTopic(version: number, input: ByteReader): CreateTopicCommand {
  return {
    type: 'createTopic',
    request: input.text(),
    name: input.text(),
    kind: readKind(input),
    partitions: input.varint(),
    replicationFactor: input.varint(),
    ...(version < CREATE_VERSION ? {} : { live: Array.from({ length: readCount(input) }, () => input.varint()) }),
  }
}

function readCount(input: ByteReader): number {
  const count = input.varint()
  assert(count <= NODES_MAX, 'a cluster has at most so many nodes')
  return count
}

export function encodeReply(reply: CatalogReply): Uint8Array {
  const out = new ByteWriter().byte(REPLY[reply.type]).byte(VERSION)
  switch (reply.type) {
    case 'nodeRegistered':
      out.byte(reply.changed ? 1 : 0)
      break
    case 'topicCreated':
    case 'topicDeleted':
      out.varint(reply.id)
      break
    case 'refused':
      out.text(reply.reason).text(reply.message).text(reply.field)
      break
    default:
      unreachable(reply)
  }
  return out.finish()
}

/** Throws for bytes that {@link encodeReply} of this version did not make. */
export function decodeReply(bytes: Uint8Array): CatalogReply {
  const input = new ByteReader(bytes)
  const type = input.byte()
  assert(input.byte() === VERSION, 'a catalog reply has a known version')
  const reply = decodeReplyFields(type, input)
  input.end()
  return reply
}

function decodeReplyFields(type: number, input: ByteReader): CatalogReply {
  switch (type) {
    case REPLY.nodeRegistered:
      return { type: 'nodeRegistered', changed: input.byte() === 1 }
    case REPLY.topicCreated:
      return { type: 'topicCreated', id: input.varint() }
    case REPLY.topicDeleted:
      return { type: 'topicDeleted', id: input.varint() }
    case REPLY.refused:
      return { type: 'refused', reason: readReason(input), message: input.text(), field: input.text() }
    default:
      throw new UnknownCommandError(`catalog reply ${type}`)
  }
}

function readReason(input: ByteReader): ErrorReason {
  const text = input.text()
  return isReason(text) ? text : 'INTERNAL'
}

function isReason(text: string): text is ErrorReason {
  return Object.hasOwn(ERROR_TABLE, text)
}

export function writeNode(out: ByteWriter, node: NodeRecord): void {
  out.varint(node.id).text(node.name).text(node.grpc).text(node.raft).text(node.http).text(node.version)
}

export function readNode(input: ByteReader): NodeRecord {
  return {
    id: input.varint(),
    name: input.text(),
    grpc: input.text(),
    raft: input.text(),
    http: input.text(),
    version: input.text(),
  }
}

export function writeKind(out: ByteWriter, kind: TopicKind): void {
  out.byte(KIND[kind])
}

export function readKind(input: ByteReader): TopicKind {
  const byte = input.byte()
  assert(byte === KIND.timer || byte === KIND.kv, 'a topic has a known kind')
  return byte === KIND.timer ? 'timer' : 'kv'
}
