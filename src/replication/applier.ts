/**
 * Committed entries of one replica on their way into its view, in order and each once. The view's time is
 * at' = max(at, last at'), the same on every replica because it comes from the log alone.
 */
import { assert } from '../base/assert.ts'
import { Fifo } from '../base/fifo.ts'
import type { ConfState, Entry } from '../base/log-entry.ts'
import { type ConfChange, readConfChange } from '../raft/conf-change.ts'
import type { RaftGroup } from '../raft/raft.ts'
import type { CheckpointMeta } from '../storage/state/types.ts'
import { type Store, UnknownCommandError, type View } from '../views/view.ts'
import { decodeEntryData } from './entry-data.ts'
import type { GroupObserver } from './group.ts'
import type { Proposals } from './proposals.ts'

export class Applier<R, E> {
  readonly #raft: RaftGroup
  readonly #view: View<R, E>
  readonly #store: Store
  readonly #proposals: Proposals<R>
  readonly #observers: readonly GroupObserver<E>[]
  readonly #onConfChange: (change: ConfChange, confState: ConfState) => void
  /** Committed and not yet applied. */
  readonly #queue = new Fifo<Entry>()
  /** What the view's memory and layers stand for. */
  #meta: CheckpointMeta
  /** Highest index of a configuration change that was applied. */
  #confIndex = 0
  #logBytes = 0

  constructor(
    parts: {
      readonly raft: RaftGroup
      readonly view: View<R, E>
      readonly store: Store
      readonly proposals: Proposals<R>
      readonly observers: readonly GroupObserver<E>[]
      readonly onConfChange: (change: ConfChange, confState: ConfState) => void
    },
    meta: CheckpointMeta,
  ) {
    this.#raft = parts.raft
    this.#view = parts.view
    this.#store = parts.store
    this.#proposals = parts.proposals
    this.#observers = parts.observers
    this.#onConfChange = parts.onConfChange
    this.#meta = meta
  }

  /** The position that a checkpoint made now would have. */
  get meta(): CheckpointMeta {
    return this.#meta
  }

  get confIndex(): number {
    return this.#confIndex
  }

  /** Bytes of log applied since {@link checkpointed}. */
  get logBytes(): number {
    return this.#logBytes
  }

  get waiting(): boolean {
    return this.#queue.length > 0
  }

  /** The last entry known to be committed and due to be applied here. */
  get certain(): number {
    return this.#queue.last?.index ?? this.#meta.applied
  }

  add(committed: readonly Entry[]): void {
    if (committed.length === 0) return
    assert(committed[0]?.index === this.certain + 1, 'committed entries come without a gap')
    for (const entry of committed) this.#queue.push(entry)
  }

  /** Applies until nothing waits or `enough` says so, at least one entry. Confirms to the core once. */
  run(enough: () => boolean): void {
    if (!this.waiting) return
    do {
      const entry = this.#queue.shift()
      assert(entry !== undefined, 'an entry waits to be applied')
      this.#apply(entry)
    } while (this.waiting && !enough())
    this.#raft.applied(this.#meta.applied)
  }

  checkpointed(): void {
    this.#logBytes = 0
  }

  /** A snapshot takes the place of everything up to its position; what waited is part of it. */
  replaced(meta: CheckpointMeta): void {
    this.#queue.drain()
    this.#meta = meta
    this.#logBytes = 0
  }

  /** Drops what waits: a snapshot is about to pass it. */
  drop(): void {
    this.#queue.drain()
  }

  /** What was applied is gone, and what waits cannot be: a snapshot begins anew. */
  lost(): void {
    this.replaced({ applied: 0, term: 0, confState: this.#meta.confState, lastAt: 0 })
  }

  #apply(entry: Entry): void {
    const { index, term, type, data } = entry
    this.#logBytes += data.byteLength
    let { lastAt, confState } = this.#meta
    if (type === 'confChange') {
      const change = this.#readChange(data)
      confState = this.#raft.applyConfChange(change)
      this.#confIndex = index
      this.#onConfChange(change, confState)
    }
    const replies: R[] = []
    const effects: E[] = []
    if (type === 'normal' && data.byteLength > 0) {
      const { at, commands } = decodeEntryData(data)
      lastAt = Math.max(at, lastAt)
      this.#commands(commands, { at: lastAt, index, store: this.#store }, replies, effects)
    }
    this.#meta = { applied: index, term, confState, lastAt }
    this.#proposals.applied(term, index, lastAt, replies)
    for (const observer of this.#observers) observer.applied(effects, lastAt, index)
  }

  /** One that cannot be read, or cannot be applied here, stops this replica and not the node. */
  #readChange(data: Uint8Array): ConfChange {
    const change = readConfChange(data)
    if (change !== undefined && this.#raft.canApply(change)) return change
    throw new UnknownCommandError('a change of the configuration that cannot be applied')
  }

  #commands(commands: readonly Uint8Array[], context: ApplyContext, replies: R[], effects: E[]): void {
    const wanted = this.#observers.length > 0
    for (const command of commands) {
      const applied = this.#view.apply(command, context)
      replies.push(applied.reply)
      if (wanted) for (const effect of applied.effects) effects.push(effect)
    }
  }
}

type ApplyContext = Parameters<View['apply']>[1]
