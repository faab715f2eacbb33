/**
 * Snapshots on their way to followers: one at a time per peer, in chunks, at a bounded rate. What is sent is the last
 * completed checkpoint at the moment the sending begins. Every request is answered with `sent` once, as long as it is wanted:
 * after failures one behind the other ever later, since the core asks again at once and a whole checkpoint is read for it.
 */
import type { Env } from '../base/env.ts'
import { SandglassError } from '../base/errors.ts'
import type { GroupId, NodeId } from '../base/ids.ts'
import type { Message } from '../raft/types.ts'
import type { GroupState, SnapshotSource } from '../storage/state/types.ts'
import type { ReplicationEvent } from './events.ts'
import { encodeSnapshotHeader } from './frame/frame.ts'
import type { JobSlots } from './job-slots.ts'
import type { ReplicationLimits } from './options.ts'
import type { SnapshotStream, Transport } from './transport.ts'

export interface SnapshotOrder {
  readonly group: GroupId
  readonly state: GroupState
  /** As the core gave it; the position is that of the checkpoint which is sent. */
  readonly message: Message
  /** False once nobody waits for it any more: the sending ends at the next chunk, or never begins. */
  readonly wanted: () => boolean
  readonly sent: (ok: boolean) => void
  /** The sending begins; called at most once. */
  readonly begun: () => void
  /** It is not under way, and did not arrive; called at most once, before {@link sent}, which may come later. */
  readonly failed: () => void
}

interface SenderParts {
  readonly env: Env
  readonly transport: Transport
  readonly slots: JobSlots
  readonly limits: ReplicationLimits
  readonly event: (event: ReplicationEvent) => void
}

/** After a second failure; twice as long after each further one. */
const AGAIN_MS = 1000
const AGAIN_MS_MAX = 10_000

export class SnapshotSender {
  readonly #parts: SenderParts
  /** Orders per peer, the first one running. Bounded: a core has at most one on its way to each follower. */
  readonly #orders = new Map<NodeId, SnapshotOrder[]>()
  /** In a row, by group and node; of those whose last one failed. */
  readonly #failures = new Map<string, number>()

  constructor(parts: SenderParts) {
    this.#parts = parts
  }

  send(node: NodeId, order: SnapshotOrder): void {
    const orders = this.#orders.get(node)
    if (orders !== undefined) {
      orders.push(order)
      return
    }
    this.#orders.set(node, [order])
    void this.#drain(node)
  }

  async #drain(node: NodeId): Promise<void> {
    for (;;) {
      const order = this.#orders.get(node)?.[0]
      if (order === undefined) break
      const ok = order.wanted() && (await this.#send(node, order))
      if (!ok) order.failed()
      this.#answer(node, order, ok)
      this.#orders.get(node)?.shift()
    }
    this.#orders.delete(node)
  }

  /** Others to the same node do not wait for it. */
  #answer(node: NodeId, order: SnapshotOrder, ok: boolean): void {
    const key = `${order.group} ${node}`
    const wanted = order.wanted()
    const failures = ok || !wanted ? 0 : (this.#failures.get(key) ?? 0) + 1
    if (failures === 0) this.#failures.delete(key)
    else this.#failures.set(key, failures)
    if (!wanted) return
    if (failures < 2) order.sent(ok)
    else {
      this.#parts.env.after(Math.min(AGAIN_MS * 2 ** (failures - 2), AGAIN_MS_MAX), () => {
        if (order.wanted()) order.sent(false)
        else this.#failures.delete(key)
      })
    }
  }

  async #send(node: NodeId, order: SnapshotOrder): Promise<boolean> {
    const { transport, slots, event } = this.#parts
    const { group, state } = order
    order.begun()
    try {
      const source = await slots.run(() => state.openSnapshot())
      let closing: Promise<void> | undefined
      const close = () => {
        closing ??= source.close()
        return closing
      }
      try {
        const ok = await transport.sendSnapshot(node, group, { ...this.#stream(order, source), close })
        if (ok) event({ type: 'snapshotSent', group, to: node, index: source.meta.applied })
        else event({ type: 'snapshotFailed', group, to: node })
        return ok
      } finally {
        await close()
      }
    } catch (error) {
      event({ type: 'snapshotFailed', group, to: node, error })
      return false
    }
  }

  #stream(order: SnapshotOrder, source: SnapshotSource): Omit<SnapshotStream, 'close'> {
    const { env, slots, limits } = this.#parts
    const { applied: index, term, confState, lastAt } = source.meta
    const message = { ...order.message, snapshot: { index, term, confState } }
    let nextMs = env.monoMs()
    return {
      header: encodeSnapshotHeader({ lastAt, group: order.group, message }),
      async next() {
        if (!order.wanted()) throw new SandglassError('SHUTTING_DOWN', 'Cannot send a snapshot: nobody waits for it')
        const waitMs = nextMs - env.monoMs()
        if (waitMs > 0) await new Promise<void>((resolve) => env.after(waitMs, resolve))
        const chunk = await slots.run(() => source.next(limits.snapshotChunkBytes))
        const bytes = chunk?.byteLength ?? 0
        nextMs = Math.max(nextMs, env.monoMs()) + (bytes * 1000) / limits.snapshotBytesPerSecond
        return chunk
      },
    }
  }
}
