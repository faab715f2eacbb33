/**
 * `sandglass.v1.Raft` as it goes over the wire: its two methods, and the handshake in the metadata of every call. The
 * messages have a number and some bytes; they are written and read by hand, so that a frame is copied only once.
 */
import { Metadata, type MethodDefinition } from '@grpc/grpc-js'
import { invalid } from '../../base/errors.ts'
import type { NodeId } from '../../base/ids.ts'

/** Changes when nodes of an older version cannot talk to newer ones. */
const PEER_PROTOCOL = 3

const VERSION = 1
/** Field 1, varint. */
const TAG_VERSION = 0x08
/** Field 2, length-delimited. */
const TAG_BODY = 0x12

export interface PeerIdentity {
  readonly clusterId: string
  readonly from: NodeId
  readonly to: NodeId
}

export const EXCHANGE: MethodDefinition<Uint8Array, Uint8Array> = {
  path: '/sandglass.v1.Raft/Exchange',
  requestStream: true,
  responseStream: true,
  requestSerialize: encodeBody,
  // Read by the service, which knows whose it is.
  requestDeserialize: (bytes) => bytes,
  responseSerialize: encodeBody,
  responseDeserialize: decodeBody,
}

export const INSTALL_SNAPSHOT: MethodDefinition<Uint8Array, Uint8Array> = {
  path: '/sandglass.v1.Raft/InstallSnapshot',
  requestStream: true,
  responseStream: false,
  requestSerialize: encodeBody,
  requestDeserialize: (bytes) => bytes,
  // The answer has no fields.
  responseSerialize: () => Buffer.alloc(0),
  responseDeserialize: (bytes) => bytes,
}

/** A proto message {uint32 version = 1; bytes body = 2}. */
export function encodeBody(body: Uint8Array): Buffer {
  const head = [TAG_VERSION, VERSION, TAG_BODY]
  let rest = body.byteLength
  while (rest >= 0x80) {
    head.push((rest & 0x7f) | 0x80)
    rest >>>= 7
  }
  head.push(rest)
  const bytes = Buffer.allocUnsafeSlow(head.length + body.byteLength)
  bytes.set(head)
  bytes.set(body, head.length)
  return bytes
}

/** The body, a view into `bytes`. Throws INVALID for another version or anything that is not such a message. */
export function decodeBody(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== TAG_VERSION || bytes[1] !== VERSION || bytes[2] !== TAG_BODY) {
    throw invalid('version', 'Cannot read a peer message: its version is unknown')
  }
  let length = 0
  let at = 3
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]
    if (byte === undefined || shift > 28) throw invalid('body', 'Cannot read a peer message: its length is damaged')
    length += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) break
  }
  if (at + length !== bytes.byteLength) throw invalid('body', 'Cannot read a peer message: it is cut short')
  return bytes.subarray(at)
}

export function encodeHandshake({ clusterId, from, to }: PeerIdentity): Metadata {
  const metadata = new Metadata()
  metadata.set('sandglass-cluster', clusterId)
  metadata.set('sandglass-from', String(from))
  metadata.set('sandglass-to', String(to))
  metadata.set('sandglass-protocol', String(PEER_PROTOCOL))
  return metadata
}

const OTHER_CLUSTER = 'it is of another cluster'

/** Whether a refusal says that the two nodes are of different clusters. */
export function saysOtherCluster(message: string): boolean {
  return message.includes(OTHER_CLUSTER)
}

/** Who calls; or why the call is refused. */
export function checkHandshake(
  metadata: Metadata,
  own: { readonly clusterId: string; readonly node: NodeId },
): { readonly from: NodeId } | { readonly refused: string } {
  const read = (name: string) => metadata.get(`sandglass-${name}`)[0]?.toString() ?? ''
  const protocol = read('protocol')
  if (protocol !== String(PEER_PROTOCOL)) {
    return { refused: `its protocol is ${protocol || 'missing'}, ours is ${PEER_PROTOCOL}` }
  }
  const clusterId = read('cluster')
  if (clusterId !== own.clusterId) return { refused: OTHER_CLUSTER }
  const to = read('to')
  if (to !== String(own.node)) return { refused: `it looks for node ${to}, this is node ${own.node}` }
  const from = Number(read('from'))
  if (!Number.isSafeInteger(from) || from <= 0 || from === own.node) return { refused: 'its node id makes no sense' }
  return { from }
}
