/**
 * Requests of the public API as bytes, drawn from the .proto files: mostly what a node takes, with fields at and beyond
 * every limit, with numbers that no writer of ours would write, cut short, or with bytes changed.
 */
import fc from 'fast-check'
import protobuf from 'protobufjs'
import { protoFolder } from '../../src/wire/wire.ts'
import { bytes, text, WHOLE } from './values.ts'

export interface Drawn {
  readonly bytes: Buffer
  /** Bytes were cut off or changed: it may not be a message at all. */
  readonly damaged: boolean
}

/** The topic that requests are for; it has one partition. */
export const TOPIC = 'limits'

const root = new protobuf.Root()
root.resolvePath = (_origin, target) =>
  target.startsWith('google/') || target.startsWith('/') ? target : `${protoFolder()}/${target}`
root.loadSync(['topics', 'queue', 'cluster'].map((name) => `sandglass/v1/${name}.proto`))
root.resolveAll()

/** By the message's full name without its package. */
export function drawn(name: string): fc.Arbitrary<Drawn> {
  const type = root.lookupType(`sandglass.v1.${name}`)
  return fc
    .tuple(
      message(type, 0),
      fc.nat(),
      fc.nat(255),
      fc.constantFrom('whole', 'whole', 'whole', 'whole', 'cut', 'changed'),
    )
    .map(([writer, place, byte, how]) => {
      const whole = Buffer.from(writer)
      const at = whole.length === 0 ? 0 : place % whole.length
      if (how === 'cut') return { bytes: whole.subarray(0, at), damaged: true }
      if (how === 'changed' && whole.length > 0) whole[at] = byte
      return { bytes: whole, damaged: how === 'changed' }
    })
}

type Field = protobuf.Field

/** Fields of a message in order, each absent, as it should be, or not. */
function message(type: protobuf.Type, depth: number): fc.Arbitrary<Uint8Array> {
  const parts = type.fieldsArray.map((field) => fieldOf(type, field, depth))
  return fc.tuple(...parts).map((all) => Buffer.concat(all))
}

function fieldOf(type: protobuf.Type, field: Field, depth: number): fc.Arbitrary<Uint8Array> {
  const absent = fc.constant(EMPTY)
  if (field.partOf !== null)
    return fc.oneof({ weight: 2, arbitrary: absent }, repeated(type, field, fc.constant(1), depth))
  if (field.repeated || field.map) return repeated(type, field, count(field), depth)
  return fc.oneof({ weight: 8, arbitrary: repeated(type, field, fc.constant(1), depth) }, absent)
}

/** Above what a frame and its headers may have, and below what gRPC refuses without a field. */
const BYTES_MAX = 6 * 1024 * 1024
const INNER_BYTES_MAX = 40 * 1024
const EMPTY = new Uint8Array(0)

/** How many of a repeated field; long ones repeat few values. */
function count({ name }: Field): fc.Arbitrary<number> {
  if (name === 'messages') return fc.constantFrom(0, 1, 1, 1, 2, 1024, 1025)
  return fc.oneof({ weight: 6, arbitrary: fc.constantFrom(1, 2) }, fc.constantFrom(0, 1, 3, 10_000, 10_001))
}

function repeated(
  type: protobuf.Type,
  field: Field,
  times: fc.Arbitrary<number>,
  depth: number,
): fc.Arbitrary<Uint8Array> {
  return fc.tuple(times, fc.array(value(type, field, depth), { minLength: 1, maxLength: 2 })).map(([n, values]) => {
    const most = Math.ceil(
      (depth === 0 ? BYTES_MAX : INNER_BYTES_MAX) / Math.max(1, ...values.map(({ length }) => length)),
    )
    return Buffer.concat(Array.from({ length: Math.min(n, most) }, (_, i) => values[i % values.length] ?? EMPTY))
  })
}

/** One value with its tag. */
function value(type: protobuf.Type, field: Field, depth: number): fc.Arbitrary<Uint8Array> {
  const writer = (wireType: number) => protobuf.Writer.create().uint32((field.id << 3) | wireType)
  if (field instanceof protobuf.MapField) {
    return fc.tuple(text, text).map(([name, of]) => {
      const entry = protobuf.Writer.create().uint32(10).string(name).uint32(18).string(of).finish()
      return writer(2).bytes(entry).finish()
    })
  }
  if (field.resolvedType instanceof protobuf.Type) {
    return message(field.resolvedType, depth + 1).map((inner) => writer(2).bytes(inner).finish())
  }
  if (field.type === 'string')
    return either(goodText(type, field), texts(type, field)).map((of) => writer(2).string(of).finish())
  if (field.type === 'bytes') return either(goodBytes(field), bytes).map((of) => writer(2).bytes(of).finish())
  return either(goodNumber(field), numbers(field)).map((of) => writer(0).uint64(of.toString()).finish())
}

function either<T>(good: T, other: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 4, arbitrary: fc.constant(good) }, other)
}

const GOOD_TEXT: Readonly<Record<string, string>> = {
  ...{ topic: TOPIC, group: 'g', consumer: 'c', channel: '', reason: 'busy', to: 'n1' },
  offset: '05E4ECYW2G0G40R40000A1G710',
}

function goodText(type: protobuf.Type, { name }: Field): string {
  // A topic is neither made nor removed in passing.
  if (name === 'name') return type.name === 'DeleteTopicRequest' ? 'absent' : TOPIC
  return GOOD_TEXT[name] ?? 'x'
}

function texts(type: protobuf.Type, { name }: Field): fc.Arbitrary<string> {
  return name === 'name' && type.name === 'CreateTopicRequest' ? text.filter((of) => !/^[\w.-]{1,128}$/.test(of)) : text
}

function goodBytes({ name }: Field): Uint8Array {
  return new Uint8Array(name === 'session' ? 16 : 8).fill(7)
}

const GOOD_NUMBER: Readonly<Record<string, number>> = {
  partitions: 1,
  replicationFactor: 1,
  first: 1,
  index: 1,
  fence: 1,
  leaseMs: 500,
}

function goodNumber({ name }: Field): bigint {
  return BigInt(GOOD_NUMBER[name] ?? 0)
}

const TOO_WIDE = [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]
const ANY = [...WHOLE.map(BigInt), ...TOO_WIDE]

/** A Pull that may wait for long would only make the test long. */
function numbers({ name }: Field): fc.Arbitrary<bigint> {
  return fc.constantFrom(...(name === 'waitMs' ? ANY.filter((of) => of < 20n || of > 30_000n) : ANY))
}
