/** Sends one snapshot over a connection of its own: the header, the chunks as fast as the peer takes them, an empty one. */
import { once } from 'node:events'
import { Client, type ClientWritableStream, credentials, type ServiceError } from '@grpc/grpc-js'
import type { SnapshotStream } from '../../replication/transport.ts'
import { targetOf } from '../../wire/channels.ts'
import { CHANNEL_OPTIONS } from './link.ts'
import { encodeHandshake, INSTALL_SNAPSHOT, type PeerIdentity } from './wire.ts'

export interface SnapshotTarget {
  readonly address: string
  readonly identity: PeerIdentity
  /** Aborted when the transport closes. */
  readonly signal: AbortSignal
}

/** Resolves when the peer has taken the snapshot. Rejects with what went wrong, here or there. */
export async function sendSnapshotTo(
  { address, identity, signal }: SnapshotTarget,
  stream: SnapshotStream,
): Promise<void> {
  const client = new Client(targetOf(address), credentials.createInsecure(), CHANNEL_OPTIONS)
  const ended = new AbortController()
  const { path, requestSerialize, responseDeserialize } = INSTALL_SNAPSHOT
  let call: ClientWritableStream<Uint8Array> | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      const started = client.makeClientStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        encodeHandshake(identity),
        (error: ServiceError | null) => {
          ended.abort()
          if (error === null) resolve()
          else reject(error)
        },
      )
      call = started
      signal.addEventListener('abort', () => started.cancel(), { once: true, signal: ended.signal })
      pump(started, stream, ended.signal).catch((error: unknown) => {
        started.cancel()
        reject(error)
      })
    })
  } finally {
    call?.cancel()
    client.close()
  }
}

/** Ends quietly when the call ended first: its answer says why. */
async function pump(call: ClientWritableStream<Uint8Array>, stream: SnapshotStream, ended: AbortSignal): Promise<void> {
  let next: Uint8Array | undefined = stream.header
  while (next !== undefined && !ended.aborted) {
    if (!call.write(next)) await once(call, 'drain', { signal: ended }).catch(() => undefined)
    next = ended.aborted ? undefined : await stream.next()
  }
  if (ended.aborted) return
  call.write(new Uint8Array(0))
  call.end()
}
