/** The network between nodes: links delay, lose, double and reorder frames, are cut one way or both, and break mid-snapshot. */
import type { GroupId, NodeId } from '../../src/base/ids.ts'
import { isViolation } from '../../src/base/violation.ts'
import type { Lane, PeerReceiver, SnapshotStream, Transport } from '../../src/replication/transport.ts'
import type { Random } from '../raft/simulation/random.ts'
import type { VirtualTime } from '../virtual-env.ts'
import type { SimEnv } from './sim-env.ts'
import type { NetworkSwarm } from './swarm.ts'
import type { Trace } from './trace.ts'

const CALM_DELAY_MS = 3

interface Endpoint {
  readonly env: SimEnv
  readonly receiver: PeerReceiver
}

interface Stream {
  readonly from: NodeId
  readonly to: NodeId
  break(): void
}

interface NetworkParts {
  readonly time: VirtualTime
  readonly random: Random
  readonly swarm: NetworkSwarm
  readonly trace: Trace
  /** Hears of every frame before it leaves. */
  readonly onSend: (from: NodeId, frame: Uint8Array) => void
  /** A process took a frame. */
  readonly onReceived: (by: NodeId) => void
  /** A receiver threw: nothing that peers send may do that. */
  readonly onThrow: (error: unknown) => void
}

export class SimNetwork {
  readonly #parts: NetworkParts
  readonly #endpoints = new Map<NodeId, Endpoint>()
  /** How many cuts hold each direction closed. */
  readonly #cuts = new Map<string, number>()
  readonly #streams = new Set<Stream>()
  /** Of each lane: frames arrive in order unless they are reordered on purpose. */
  readonly #arrivals = new Map<string, number>()
  calm = false
  /** Multiplies every delay. */
  slowness = 1

  constructor(parts: NetworkParts) {
    this.#parts = parts
  }

  transport(from: NodeId, env: SimEnv): Transport {
    return {
      send: (to, lane, frame) => env.alive && this.#send(from, to, lane, frame),
      sendSnapshot: (to, _group: GroupId, stream) => this.#sendSnapshot(from, to, stream),
      attach: (receiver) => {
        this.#endpoints.set(from, { env, receiver })
      },
    }
  }

  /** The process at `node` is gone. */
  down(node: NodeId): void {
    this.#endpoints.delete(node)
    for (const stream of [...this.#streams]) if (stream.from === node || stream.to === node) stream.break()
    for (const { env, receiver } of this.#endpoints.values()) {
      if (this.#parts.random.chance(this.#parts.swarm.noticed)) env.enter(() => receiver.peerDown(node))
    }
  }

  cut(from: NodeId, to: NodeId): void {
    this.#change(from, to, 1)
  }

  mend(from: NodeId, to: NodeId): void {
    this.#change(from, to, -1)
  }

  heal(): void {
    this.calm = true
    this.slowness = 1
    this.#cuts.clear()
  }

  #change(from: NodeId, to: NodeId, by: number): void {
    const key = `${from}>${to}`
    this.#cuts.set(key, Math.max(0, (this.#cuts.get(key) ?? 0) + by))
  }

  #open(from: NodeId, to: NodeId): boolean {
    return (this.#cuts.get(`${from}>${to}`) ?? 0) === 0
  }

  #delay(): number {
    const { random, swarm } = this.#parts
    const drawn = (swarm.delayMs + random.next() * swarm.jitterMs) * this.slowness
    return this.calm ? Math.min(drawn, CALM_DELAY_MS) : drawn
  }

  #send(from: NodeId, to: NodeId, lane: Lane, frame: Uint8Array): boolean {
    const { random, swarm, onSend, trace } = this.#parts
    onSend(from, frame)
    trace.note(`frame ${from}>${to} ${lane} ${frame.byteLength}`)
    // A broken connection is sometimes known.
    if (!this.#open(from, to)) return random.chance(0.7)
    const copies = this.calm ? 1 : random.chance(swarm.loss) ? 0 : random.chance(swarm.duplicate) ? 2 : 1
    for (let copy = 0; copy < copies; copy++) this.#deliverLater(from, to, lane, Uint8Array.from(frame))
    return true
  }

  #deliverLater(from: NodeId, to: NodeId, lane: Lane, frame: Uint8Array): void {
    const { time, random, swarm, onReceived, onThrow } = this.#parts
    const key = `${from}>${to} ${lane}`
    const inOrder = this.calm || !random.chance(swarm.reorder)
    const drawn = time.nowMs + this.#delay() * (inOrder ? 1 : 1 + 4 * random.next())
    const at = inOrder ? Math.max(drawn, this.#arrivals.get(key) ?? 0) : drawn
    if (inOrder) this.#arrivals.set(key, at)
    time.after(at - time.nowMs, () => {
      const end = this.#endpoints.get(to)
      if (end === undefined || !this.#open(from, to)) return
      end.env.enter(() => {
        try {
          end.receiver.frame(from, frame)?.catch(onThrow)
          onReceived(to)
        } catch (error) {
          onThrow(error)
        }
      })
    })
  }

  async #sendSnapshot(from: NodeId, to: NodeId, stream: SnapshotStream): Promise<boolean> {
    const { trace, onThrow } = this.#parts
    const end = this.#endpoints.get(to)
    if (end === undefined || !this.#open(from, to)) {
      await stream.close()
      return false
    }
    const { broken, entry } = breakable(from, to)
    this.#streams.add(entry)
    trace.note(`snapshot ${from}>${to}`)
    try {
      await Promise.race([end.receiver.snapshot(from, stream.header, this.#chunks(from, to, stream, broken)), broken])
      return true
    } catch (error) {
      if (isViolation(error)) onThrow(error)
      return false
    } finally {
      this.#streams.delete(entry)
      await stream.close()
    }
  }

  async *#chunks(from: NodeId, to: NodeId, stream: SnapshotStream, broken: Promise<never>) {
    const { time, random, swarm } = this.#parts
    for (;;) {
      const chunk = await Promise.race([stream.next(), broken])
      if (chunk === undefined) return
      await Promise.race([new Promise<void>((resolve) => time.after(this.#delay(), resolve)), broken])
      const lost = !this.calm && random.chance(swarm.loss / 4)
      if (lost || !this.#open(from, to)) throw new Error('the connection broke')
      yield Uint8Array.from(chunk)
    }
  }
}

function breakable(from: NodeId, to: NodeId): { broken: Promise<never>; entry: Stream } {
  let reject: (error: Error) => void = () => undefined
  const broken = new Promise<never>((_, refuse) => {
    reject = refuse
  })
  // Nobody may be waiting when it breaks.
  broken.catch(() => undefined)
  return { broken, entry: { from, to, break: () => reject(new Error('the connection broke')) } }
}
