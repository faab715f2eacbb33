/** Joins a client's stream with one to another node, frame by frame as bytes; each side is read only as fast as the other takes. */
import type { RawDuplex } from './calls.ts'
import type { RawStream } from './node-channels.ts'
import { Outflow } from './outflow.ts'
import type { StreamBudgets } from './service-context.ts'

/** `onBroken`: the link failed; nothing more will come from it. The client's stream is paused before and flows after. */
export function passThrough(
  client: RawDuplex,
  link: RawStream,
  { outflow: budget, writes }: StreamBudgets,
  onBroken: () => void,
): void {
  const toLink = new Outflow(link, { budget, writes, onRoom: () => client.resume() })
  const toClient = new Outflow(client, { budget, writes, onRoom: () => link.resume() })
  client.on('data', (frame: Buffer) => {
    toLink.write(frame)
    if (!toLink.hasRoom()) client.pause()
  })
  client.on('end', () => toLink.finish())
  client.once('close', () => {
    link.cancel()
    toLink.end()
    toClient.end()
  })
  link.on('data', (frame: Buffer) => {
    toClient.write(frame)
    if (!toClient.hasRoom()) link.pause()
  })
  link.on('end', () => toClient.finish())
  link.on('error', onBroken)
  client.resume()
}
