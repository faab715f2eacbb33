/** Joins a client's stream with one to another node, frame by frame as bytes; each side is read only as fast as the other takes. */
import type { RawDuplex } from './calls.ts'
import type { RawStream } from './node-channels.ts'

/** `onBroken`: the link failed; nothing more will come from it. The client's stream is paused before and flows after. */
export function passThrough(client: RawDuplex, link: RawStream, onBroken: () => void): void {
  client.on('data', (frame: Buffer) => {
    if (link.write(frame)) return
    client.pause()
    link.once('drain', () => client.resume())
  })
  client.on('end', () => link.end())
  client.once('close', () => link.cancel())
  link.on('data', (frame: Buffer) => {
    if (client.write(frame)) return
    link.pause()
    client.once('drain', () => link.resume())
  })
  link.on('end', () => client.end())
  link.on('error', onBroken)
  client.resume()
}
