/** Codecs of `control.proto`, loaded once by whoever serves or calls. 64-bit numbers are JS numbers below 2^53. */
import { join } from 'node:path'
import protobuf from 'protobufjs'
import { NumberReader, NumberWriter } from '../../wire/numbers.ts'
import { protoFolder } from '../../wire/wire.ts'

export const OUTCOME = { DONE: 1, REFUSED: 2, UNKNOWN: 3 } as const
export const FORMATION_STATE = { empty: 1, prepared: 2, formed: 3 } as const

interface Messages {
  readonly ControlProposeRequest: { readonly command: Uint8Array }
  readonly ControlProposeResponse: {
    readonly outcome: number
    readonly index: number
    readonly reply: Uint8Array
    readonly leader: number
  }
  readonly ControlReadIndexRequest: Readonly<Record<never, never>>
  readonly ControlReadIndexResponse: { readonly outcome: number; readonly index: number; readonly leader: number }
  readonly LeaderReport: {
    readonly leads: readonly { readonly group: number; readonly term: number }[]
    readonly accepts: boolean
    readonly wallMs: number
  }
  readonly LeaderReportResponse: Readonly<Record<never, never>>
  readonly FormationHello: {
    readonly version: number
    readonly from: string
    readonly boot: string
    readonly toBoot: string
    readonly members: readonly { readonly name: string; readonly raft: string }[]
    readonly state: number
    readonly clusterId: string
  }
}

type Name = keyof Messages

/** A method in the shape that grpc-js takes. */
export interface UnaryMethod<Q, A> {
  readonly path: string
  readonly requestStream: false
  readonly responseStream: false
  readonly requestSerialize: (message: Q) => Buffer
  readonly requestDeserialize: (bytes: Buffer) => Q
  readonly responseSerialize: (message: A) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => A
}

const LOADED = { keepCase: false } as const

function codecs() {
  const root = new protobuf.Root().loadSync(join(protoFolder(), 'sandglass', 'v1', 'control.proto'), LOADED)
  return <Q extends Name, A extends Name>(
    path: string,
    request: Q,
    response: A,
  ): UnaryMethod<Messages[Q], Messages[A]> => {
    const asked = codec(root, request)
    const answered = codec(root, response)
    return {
      path: `/sandglass.v1.${path}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: asked.encode,
      requestDeserialize: asked.decode,
      responseSerialize: answered.encode,
      responseDeserialize: answered.decode,
    }
  }
}

/** Absent fields decode to their proto3 defaults, so that every message has all of them. */
function codec<N extends Name>(root: protobuf.Root, name: N) {
  const type = root.lookupType(`sandglass.v1.${name}`)
  return {
    encode: (message: Messages[N]): Buffer => Buffer.from(type.encode(message, new NumberWriter()).finish()),
    decode: (bytes: Buffer): Messages[N] => {
      const plain = type.toObject(type.decode(new NumberReader(bytes)), { defaults: true, longs: Number })
      return plain as Messages[N]
    },
  }
}

export function controlMethods() {
  const method = codecs()
  return {
    Propose: method('Control/Propose', 'ControlProposeRequest', 'ControlProposeResponse'),
    ReadIndex: method('Control/ReadIndex', 'ControlReadIndexRequest', 'ControlReadIndexResponse'),
    Report: method('Control/Report', 'LeaderReport', 'LeaderReportResponse'),
  }
}

export function formationMethods() {
  return { Exchange: codecs()('Formation/Exchange', 'FormationHello', 'FormationHello') }
}
