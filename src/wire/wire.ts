// Loads the public protos once and gives a typed codec for every message. Two views of the same bytes: a client decodes
// bodies, a server keeps them as the bytes that came in and never encodes one again (a submessage and `bytes` are the
// same on the wire). 64-bit numbers are JS numbers in both directions; what does not fit below 2^53 is refused, and so is
// a 32-bit number beyond its range, of which other readers take the lower half.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'
import { type Fault, faultIn } from './fault.ts'
import { type Body, FULL_NAMES, type Messages } from './messages.ts'
import { NumberReader, NumberWriter } from './numbers.ts'

export type MessageName = keyof Messages

/** What encode takes: absent fields are proto3 defaults, of a oneof at most one member is given. */
export type Init<T> = T extends Uint8Array | string | number | boolean | null
  ? T
  : T extends readonly (infer I)[]
    ? readonly Init<I>[]
    : { readonly [K in keyof T]?: Init<T[K]> | undefined }

export interface Codec<T> {
  /** Throws an assertion for a number that is not an unsigned integer of its field's range: a bug of the caller. */
  encode(message: Init<T>): Buffer
  /** `bytes` fields are views into the input. Throws RangeError or Error for malformed input. */
  decode(bytes: Uint8Array): T
  /** What is wrong with bytes that do not decode. */
  fault(bytes: Uint8Array): Fault
}

/** `B` is the type of every field of type Body: `Body` for a client, `Uint8Array` for a server. */
export interface Wire<B> {
  codec<K extends MessageName>(name: K): Codec<Messages<B>[K]>
}

/** Codecs for users of bodies: Body is decoded. */
export function createClientWire(): Wire<Body> {
  return wireOf(loadRoot())
}

/** Codecs for a server: a Body is its encoded bytes. */
export function createServerWire(): Wire<Uint8Array> {
  const json = loadRoot().toJSON()
  bodiesAsBytes(json)
  return wireOf(protobuf.Root.fromJSON(json))
}

/** The folder with the .proto files, for server reflection. */
export function protoFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'proto', 'sandglass', 'v1', 'queue.proto'))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error('Cannot load protos: no folder proto/ above the program')
    folder = parent
  }
  return join(folder, 'proto')
}

const FILES = [
  'sandglass/v1/topics.proto',
  'sandglass/v1/queue.proto',
  'sandglass/v1/cluster.proto',
  'google/rpc/status.proto',
  'google/rpc/error_details.proto',
] as const

function loadRoot(): protobuf.Root {
  const folder = protoFolder()
  const root = new protobuf.Root()
  // google/protobuf/any.proto comes with protobufjs.
  root.resolvePath = (_origin, target) =>
    target.startsWith('google/protobuf/') || target.startsWith(folder) ? target : join(folder, target)
  root.loadSync([...FILES])
  return root
}

function bodiesAsBytes(namespace: protobuf.INamespace): void {
  for (const item of Object.values(namespace.nested ?? {})) {
    if ('fields' in item) {
      for (const field of Object.values(item.fields)) if (field.type === 'Body') field.type = 'bytes'
    }
    if ('nested' in item) bodiesAsBytes(item)
  }
}

function wireOf<B>(root: protobuf.Root): Wire<B> {
  root.resolveAll()
  const codecs = new Map<string, Codec<unknown>>()
  for (const [name, fullName] of Object.entries(FULL_NAMES)) codecs.set(name, codecOf(root.lookupType(fullName)))
  return {
    codec<K extends MessageName>(name: K): Codec<Messages<B>[K]> {
      return codecs.get(name) as Codec<Messages<B>[K]>
    },
  }
}

function codecOf(type: protobuf.Type): Codec<unknown> {
  numberDefaults(type)
  return {
    encode: (message) => type.encode(message as object, new NumberWriter()).finish() as Buffer,
    decode: (bytes) => type.decode(new NumberReader(bytes)),
    fault: (bytes) => faultIn(type, bytes),
  }
}

/** protobufjs gives absent 64-bit fields a Long, absent bytes an array and unset oneof members a default. */
function numberDefaults(type: protobuf.Type): void {
  const prototype: Record<string, unknown> = type.ctor.prototype
  for (const field of type.fieldsArray) {
    if (field.repeated || field.map) continue
    if (field.partOf) prototype[field.name] = null
    else if (field.type === 'bytes') prototype[field.name] = EMPTY
    else if (field.type === 'uint64') prototype[field.name] = 0
  }
}

const EMPTY = Buffer.alloc(0)
