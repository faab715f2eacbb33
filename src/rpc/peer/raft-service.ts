/**
 * The receiving side of the peer port: the service `sandglass.v1.Raft`. A caller is answered with metadata once its
 * handshake is accepted; what it sends goes to the receiver, and a frame that is damaged ends its stream.
 */
import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  Metadata,
  type Server,
  type ServerDuplexStream,
  type ServerReadableStream,
  status,
} from '@grpc/grpc-js'
import { SandglassError } from '../../base/errors.ts'
import type { NodeId } from '../../base/ids.ts'
import type { PeerReceiver } from '../../replication/transport.ts'
import { callUnder } from '../bounds/bounded-call.ts'
import { type Admission, type Admitted, admit, note, type PeerCall, type Refusal } from './admission.ts'
import { decodeBody, EXCHANGE, INSTALL_SNAPSHOT } from './wire.ts'

export interface RaftServiceOptions extends Admission {
  readonly receiver: () => PeerReceiver | undefined
  /** A peer's stream was accepted. */
  readonly onPeer?: (node: NodeId) => void
}

interface Peer extends Admitted {
  readonly receiver: PeerReceiver
}

/** Adds the service to the server of the peer port; frames of accepted peers go to the receiver. */
export function addRaftService(server: Server, options: RaftServiceOptions): void {
  const exchange: handleBidiStreamingCall<Uint8Array, Uint8Array> = (call) => serveExchange(call, options)
  const installSnapshot: handleClientStreamingCall<Uint8Array, Uint8Array> = (call, done) => {
    takeSnapshot(call, options).then(
      () => done(null, new Uint8Array(0)),
      (error: unknown) => done(toStatus(error)),
    )
  }
  server.addService({ exchange: EXCHANGE, installSnapshot: INSTALL_SNAPSHOT }, { exchange, installSnapshot })
}

function serveExchange(call: ServerDuplexStream<Uint8Array, Uint8Array>, options: RaftServiceOptions): void {
  const peer = accept(call, options)
  if ('code' in peer) {
    call.emit('error', peer)
    return
  }
  options.onPeer?.(peer.from)
  // Tells the caller that its frames are heard, before there is anything else to say.
  call.sendMetadata(new Metadata())
  let open = true
  const refuse = (error: unknown) => {
    open = false
    note(error, peer, options)
    call.emit('error', toStatus(error))
  }
  const bounded = callUnder(call)
  call.on('data', (body: Uint8Array) => {
    // Of a connection that a violation ends, whichever of its streams it came over, nothing more is taken.
    if (!open || options.connections.isDropped(peer.peer)) return
    try {
      const later = peer.receiver.frame(peer.from, decodeBody(body))
      if (later === undefined) {
        bounded?.taken(body)
        return
      }
      // This turn has had enough: what is behind waits in the connection.
      call.pause()
      later.then(() => {
        bounded?.taken(body)
        call.resume()
      }, refuse)
    } catch (error) {
      refuse(error)
    }
  })
  call.on('end', () => call.end())
}

/** Resolves when the receiver has taken the snapshot. */
async function takeSnapshot(
  call: ServerReadableStream<Uint8Array, Uint8Array>,
  options: RaftServiceOptions,
): Promise<void> {
  const peer = accept(call, options)
  if ('code' in peer) throw peer
  const bodies = bodiesOf(call)
  try {
    const header = await bodies.next()
    if (header.done) throw new SandglassError('INVALID', 'Cannot install a snapshot: its header is missing')
    await peer.receiver.snapshot(peer.from, decodeBody(header.value), chunksOf(bodies))
  } catch (error) {
    note(error, peer, options)
    throw error
  }
}

/** What the call brings; each counts until it is asked for. */
async function* bodiesOf(call: ServerReadableStream<Uint8Array, Uint8Array>): AsyncGenerator<Uint8Array, undefined> {
  const bounded = callUnder(call)
  for await (const body of call) {
    bounded?.taken(body)
    yield body
  }
}

/** An empty chunk is the end; a stream that ends without one was cut short. */
async function* chunksOf(bodies: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (;;) {
    const next = await bodies.next()
    if (next.done) throw new SandglassError('INVALID', 'Cannot install a snapshot: it was cut short')
    const chunk = decodeBody(next.value)
    if (chunk.byteLength === 0) return
    yield chunk
  }
}

function accept(call: PeerCall, options: RaftServiceOptions): Peer | Refusal {
  const admitted = admit(call, options)
  const receiver = options.receiver()
  if ('code' in admitted) return admitted
  if (receiver !== undefined) return { ...admitted, receiver }
  return { code: status.UNAVAILABLE, details: 'Cannot take the call: this node does not serve yet' }
}

/** A refusal stays what it is; of a bug the peer learns no more than that there is one. */
function toStatus(error: unknown): Refusal {
  if (error instanceof SandglassError) return { code: error.code, details: error.message }
  if (isRefusal(error)) return error
  return { code: status.INTERNAL, details: error instanceof Error ? error.message : String(error) }
}

function isRefusal(error: unknown): error is Refusal {
  return typeof error === 'object' && error !== null && 'code' in error && 'details' in error
}
