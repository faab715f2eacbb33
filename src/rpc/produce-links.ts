/**
 * The links over which one ProduceStream passes frames on, one per leader. Every frame is answered exactly once: what a
 * broken link leaves unanswered is COMMIT_UNKNOWN, what never left is UNREACHABLE.
 */
import { SandglassError } from '../base/errors.ts'
import type { NodeId } from '../base/ids.ts'
import type { NodeInfo } from '../broker/directory.ts'
import { SERVICES } from '../wire/messages.ts'
import type { RawStream } from './node-channels.ts'
import type { ServiceContext } from './service-context.ts'

export interface PassedFrame {
  readonly id: number
  readonly raw: Buffer
  readonly partition: number
}

export type LinkAnswer =
  | { readonly type: 'answered'; readonly raw: Buffer }
  | { readonly type: 'failed'; readonly error: SandglassError }

const CONNECT_MS = 1000

export class ProduceLinks {
  readonly #context: ServiceContext
  readonly #links = new Map<NodeId, Link>()
  #closed = false

  constructor(context: ServiceContext) {
    this.#context = context
  }

  /** `done` is called exactly once. */
  send(node: NodeInfo, frame: PassedFrame, done: (answer: LinkAnswer) => void): void {
    let link = this.#links.get(node.id)
    if (link === undefined) {
      const opened = new Link(this.#context, node, frame.partition, () => {
        if (this.#links.get(node.id) === opened) this.#links.delete(node.id)
      })
      link = opened
      this.#links.set(node.id, link)
    }
    link.send(frame, done)
    if (this.#closed) link.close()
  }

  close(): void {
    this.#closed = true
    for (const link of this.#links.values()) link.close()
  }
}

class Link {
  readonly #node: NodeInfo
  readonly #onOver: () => void
  readonly #decodeId: (raw: Buffer) => number
  /** By frame id, in order; a client may use an id again, the first one is answered first. */
  readonly #pending: { readonly id: number; readonly done: (answer: LinkAnswer) => void }[] = []
  /** Not written yet: there is no connection. */
  #unsent: Buffer[] = []
  #stream: RawStream | undefined
  #over = false

  constructor(context: ServiceContext, node: NodeInfo, partition: number, onOver: () => void) {
    this.#node = node
    this.#onOver = onOver
    const codec = context.wire.codec('ProduceAnswer')
    this.#decodeId = (raw) => codec.decode(raw).id
    const deadline = context.env.monoMs() + CONNECT_MS
    context.channels.stream(node, SERVICES.Queue.ProduceStream.path, { partition, deadline }).then(
      (stream) => this.#connected(stream),
      () => this.#end('UNREACHABLE', 'no connection'),
    )
  }

  send(frame: PassedFrame, done: (answer: LinkAnswer) => void): void {
    if (this.#over) {
      done({ type: 'failed', error: this.#error('UNREACHABLE', 'the link is closed') })
      return
    }
    this.#pending.push({ id: frame.id, done })
    if (this.#stream === undefined) this.#unsent.push(frame.raw)
    else this.#stream.write(frame.raw)
  }

  close(): void {
    this.#end('COMMIT_UNKNOWN', 'the stream ended')
  }

  #connected(stream: RawStream): void {
    stream.on('error', () => this.#end('COMMIT_UNKNOWN', 'the connection broke'))
    stream.on('end', () => this.#end('COMMIT_UNKNOWN', 'the leader ended the stream'))
    stream.on('data', (raw: Buffer) => this.#answer(raw))
    if (this.#over) {
      stream.cancel()
      return
    }
    this.#stream = stream
    for (const raw of this.#unsent) stream.write(raw)
    this.#unsent = []
  }

  #answer(raw: Buffer): void {
    const id = this.#decodeId(raw)
    const at = this.#pending.findIndex((pending) => pending.id === id)
    const [answered] = at < 0 ? [] : this.#pending.splice(at, 1)
    answered?.done({ type: 'answered', raw })
  }

  #end(reason: 'UNREACHABLE' | 'COMMIT_UNKNOWN', what: string): void {
    if (this.#over) return
    this.#over = true
    this.#unsent = []
    this.#onOver()
    this.#stream?.cancel()
    // Without a stream nothing has left.
    const error = this.#error(this.#stream === undefined ? 'UNREACHABLE' : reason, what)
    for (const { done } of this.#pending.splice(0)) done({ type: 'failed', error })
  }

  #error(reason: 'UNREACHABLE' | 'COMMIT_UNKNOWN', what: string): SandglassError {
    return new SandglassError(reason, `Cannot tell what node ${this.#node.name} did with the messages: ${what}`)
  }
}
