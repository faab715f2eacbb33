/**
 * When a replica saves its state, and what of its log may go afterwards (architecture §5). Invariant: one checkpoint at a
 * time, never between the commands of one entry, and the log is released only up to one that is durable.
 */
import type { Env } from '../../base/env.ts'
import type { GroupId, NodeId, ReplicaId } from '../../base/ids.ts'
import type { SnapshotMeta } from '../../base/log-entry.ts'
import type { CheckpointMeta, GroupState } from '../../storage/state/types.ts'
import type { Wal } from '../../storage/wal/types.ts'
import type { View } from '../../views/view.ts'
import type { ReplicationEvent } from '../events.ts'
import type { JobSlots } from '../job-slots.ts'
import type { ReplicationLimits } from '../options.ts'
import type { FollowerNeeds } from './follower-needs.ts'

/** After a failed checkpoint the next try waits this long. */
const RETRY_MS = 1000

interface CheckpointerParts {
  readonly env: Env
  readonly group: GroupId
  readonly wal: Wal
  readonly state: GroupState
  readonly view: View
  readonly slots: JobSlots
  readonly limits: ReplicationLimits
  /** Durable already; undefined before the first, and when it is lost: then none is made before {@link Checkpointer.enable}. */
  readonly last: CheckpointMeta | undefined
  /** What memory stands for now. */
  readonly meta: () => CheckpointMeta
  readonly needs: FollowerNeeds
  /** The top layer was frozen: what comes now counts for the next checkpoint. */
  readonly frozen: () => void
  /** A checkpoint ended, well or not, or may be tried again: apply may go on. */
  readonly ended: () => void
  readonly onEvent: (event: ReplicationEvent) => void
}

export class Checkpointer {
  readonly #parts: CheckpointerParts
  #last: CheckpointMeta | undefined
  /** Applied index of the one before the last: a follower keeps the log from there, in case it comes to lead. */
  #previous = 0
  #running: Promise<void> | undefined
  #notBeforeMs = 0
  #disabled = false
  #lost = false

  constructor(parts: CheckpointerParts) {
    this.#parts = parts
    this.#last = parts.last
  }

  /** Position of the last durable checkpoint. */
  get last(): SnapshotMeta | undefined {
    if (this.#last === undefined) return undefined
    const { applied, term, confState } = this.#last
    return { index: applied, term, confState }
  }

  /** That position, if it is late enough to bring a follower to `atLeast`; else a checkpoint is made. */
  sendable(atLeast: number): SnapshotMeta | undefined {
    const { last } = this
    if (last !== undefined && last.index >= atLeast) return last
    this.request()
    return undefined
  }

  /** The last checkpoint, or the next, is being sent to the replica `to`, which needs the log behind it from now on. */
  sending(to: ReplicaId, node: NodeId): void {
    this.#parts.needs.sending(to, node, (this.#last?.applied ?? 0) + 1)
    this.release()
  }

  /** It did not arrive. */
  sendingFailed(to: ReplicaId): void {
    this.#parts.needs.failed(to)
    this.release()
  }

  /** For the log's sake: saves what it can and releases. False: there is nothing to save, or it cannot be saved now. */
  relieve(): boolean {
    this.request()
    this.release()
    return this.running
  }

  get running(): boolean {
    return this.#running !== undefined
  }

  /** Settles once no checkpoint is on its way. */
  get idle(): Promise<void> {
    return this.#running ?? Promise.resolve()
  }

  /** Memory and disk are about to part ways (an install, a halt): no new checkpoint until {@link enable}. */
  disable(): void {
    this.#disabled = true
  }

  /** What was saved is damaged: until {@link enable} every entry that the log still has is needed. */
  lose(): void {
    this.disable()
    this.#lost = true
    this.#last = undefined
    this.release()
  }

  /** A snapshot was installed: its position is the last checkpoint, though there may have been a later one. */
  enable(installed: CheckpointMeta): void {
    this.#disabled = false
    this.#lost = false
    this.#previous = installed.applied
    this.#last = installed
    this.release()
  }

  /** Starts one if the bounds say so. */
  check(logBytes: number): void {
    const { limits, state } = this.#parts
    if (state.bytes() >= limits.checkpointBytes || logBytes >= limits.checkpointLogBytes) this.request()
  }

  /** Starts one unless there is nothing new. Its failure is an event, and {@link check} is due again after a while. */
  request(): void {
    const { env, meta } = this.#parts
    if (this.#running !== undefined || this.#disabled || env.monoMs() < this.#notBeforeMs) return
    if (meta().applied === (this.#last?.applied ?? 0)) return
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      this.#parts.ended()
    })
  }

  /** Releases what the last checkpoint covers; followers may have caught up since. Without one nothing more can go. */
  release(): void {
    const { group, wal, needs } = this.#parts
    const { last = wal.group(group)?.base } = this
    if (last === undefined) return
    const covered = { index: last.index, term: last.term }
    wal.release(group, covered, this.#keepFrom(last.index), needs.heldFrom())
  }

  async #run(): Promise<void> {
    const { env, group, slots, onEvent } = this.#parts
    try {
      // The core may ask for a checkpoint while an entry is being applied; it begins between entries.
      await Promise.resolve()
      await slots.run(async () => {
        if (this.#disabled) return
        const startedMs = env.monoMs()
        const meta = await this.#write()
        // What it was made of has turned out damaged meanwhile.
        if (this.#lost) return
        this.#previous = this.#last?.applied ?? 0
        this.#last = meta
        this.release()
        onEvent({ type: 'checkpointed', group, index: meta.applied, ms: env.monoMs() - startedMs })
      })
    } catch (error) {
      this.#notBeforeMs = env.monoMs() + RETRY_MS
      env.after(RETRY_MS, () => this.#parts.ended())
      onEvent({ type: 'checkpointFailed', group, error })
    }
  }

  async #write(): Promise<CheckpointMeta> {
    const { view, state, meta, frozen } = this.#parts
    const now = meta()
    const written = state.checkpoint(now, () => view.freeze(state))
    frozen()
    await written
    return now
  }

  /** The lowest index that a follower still needs; the others get a snapshot. */
  #keepFrom(covered: number): number {
    const { wal, needs } = this.#parts
    // On a full disk this replica will not come to lead.
    const kept = wal.state === 'full' ? covered : Math.min(this.#previous, covered)
    return needs.keepFrom(covered + 1) ?? kept + 1
  }
}
