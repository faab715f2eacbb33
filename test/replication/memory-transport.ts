/** A network in memory: frames take a while, links can be cut one way or both, and a process can be gone. */
import { assert } from '../../src/base/assert.ts'
import type { GroupId, NodeId } from '../../src/base/ids.ts'
import { isViolation } from '../../src/base/violation.ts'
import type { Lane, PeerReceiver, SnapshotStream, Transport } from '../../src/replication/transport.ts'
import type { VirtualTime } from '../virtual-env.ts'

const TRAVEL_MS = 1

export interface SentFrame {
  readonly from: NodeId
  readonly to: NodeId
  readonly lane: Lane
  readonly frame: Uint8Array
}

export class MemoryNetwork {
  readonly #time: VirtualTime
  readonly #receivers = new Map<NodeId, PeerReceiver>()
  /** By node, how anything reaches its process. */
  readonly #enter = new Map<NodeId, (run: () => void) => void>()
  readonly #cut = new Set<string>()
  readonly sent: SentFrame[] = []
  /** How long the next frame, or chunk of a snapshot, takes, ms. */
  travelMs: () => number = () => TRAVEL_MS
  /** Called before each chunk of a snapshot is handed over; may throw. */
  onChunk: (to: NodeId) => void = () => undefined
  /** A receiver threw: nothing that honest peers send may do that. A connection would be closed. */
  onThrow: (error: unknown) => void = (error) => {
    assert(false, `what honest peers send is taken: ${error instanceof Error ? error.message : error}`)
  }

  constructor(time: VirtualTime) {
    this.#time = time
  }

  /** `env`: of the process, where that may stand still. */
  transport(from: NodeId, env?: { enter(run: () => void): void }): Transport {
    this.#enter.set(from, (run) => (env === undefined ? run() : env.enter(run)))
    return {
      send: (to, lane, frame) => this.#send({ from, to, lane, frame }),
      sendSnapshot: (to, group, stream) => this.#sendSnapshot(from, to, group, stream),
      attach: (receiver) => {
        this.#receivers.set(from, receiver)
      },
    }
  }

  /** The process at `node` is gone; its peers notice if told so. */
  down(node: NodeId, noticed = false): void {
    this.#receivers.delete(node)
    if (noticed) for (const receiver of this.#receivers.values()) receiver.peerDown(node)
  }

  /** Nothing goes from `from` to `to` any more. */
  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from}>${to}`)
  }

  /** Cuts `node` off from everybody, both ways. */
  isolate(node: NodeId, others: readonly NodeId[]): void {
    for (const other of others) {
      this.cut(node, other)
      this.cut(other, node)
    }
  }

  heal(): void {
    this.#cut.clear()
  }

  /** Hands a frame over as if it had been received. */
  inject(to: NodeId, from: NodeId, frame: Uint8Array): void {
    this.#receivers.get(to)?.frame(from, frame)
  }

  #open(from: NodeId, to: NodeId): boolean {
    return !this.#cut.has(`${from}>${to}`) && this.#receivers.has(to)
  }

  #send(sent: SentFrame): boolean {
    this.sent.push(sent)
    const copy = Uint8Array.from(sent.frame)
    const receiver = this.#receivers.get(sent.to)
    this.#time.after(this.travelMs(), () => {
      // A restarted process does not hear what was sent to the one before it.
      if (!this.#open(sent.from, sent.to) || this.#receivers.get(sent.to) !== receiver) return
      this.#enter.get(sent.to)?.(() => {
        try {
          receiver?.frame(sent.from, copy)?.catch(this.onThrow)
        } catch (error) {
          this.onThrow(error)
        }
      })
    })
    return true
  }

  async #sendSnapshot(from: NodeId, to: NodeId, _group: GroupId, stream: SnapshotStream): Promise<boolean> {
    const receiver = this.#receivers.get(to)
    if (receiver === undefined || !this.#open(from, to)) return false
    const chunks = async function* (this: MemoryNetwork) {
      for (;;) {
        const chunk = await stream.next()
        if (chunk === undefined) return
        await new Promise<void>((resolve) => this.#time.after(this.travelMs(), resolve))
        this.onChunk(to)
        if (!this.#open(from, to)) throw new Error('the connection broke')
        yield Uint8Array.from(chunk)
      }
    }
    try {
      await receiver.snapshot(from, stream.header, chunks.call(this))
      return true
    } catch (error) {
      // Told in a turn of its own: whoever sends takes any failure for a lost connection.
      if (isViolation(error)) this.#time.after(0, () => this.onThrow(error))
      return false
    } finally {
      await stream.close()
    }
  }
}
