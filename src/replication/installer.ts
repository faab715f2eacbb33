/**
 * A snapshot on its way into a replica (§7). Order that a crash may cut anywhere: chunks under the next generation, then
 * one synced flip of the state, then the log's mark with the hard state, then the view, then `persisted`. Before the
 * flip a restart finds the old state; after it the new one, and restarts the log behind it (recovery.ts). Its rows are read
 * whole before the core hears of it, since nothing of the replica's own can be had back afterwards.
 */
import { assert, InvariantError } from '../base/assert.ts'
import { SandglassError } from '../base/errors.ts'
import type { GroupId } from '../base/ids.ts'
import type { SnapshotMeta } from '../base/log-entry.ts'
import { violation } from '../base/violation.ts'
import type { CheckpointMeta, GroupState, SnapshotSink } from '../storage/state/types.ts'
import type { View } from '../views/view.ts'
import type { SnapshotHeader } from './frame/frame.ts'
import type { Shard } from './shard.ts'

interface Staged {
  readonly sink: SnapshotSink
  readonly meta: CheckpointMeta
  /** Puts what was read of its rows in the place of the view's memory. */
  readonly adopt: () => void
  /** Set when the core took it. */
  installed: Promise<void> | undefined
}

interface InstallerParts {
  readonly group: GroupId
  readonly state: GroupState
  readonly view: View
  readonly shard: Pick<Shard, 'env' | 'slots' | 'fatal' | 'event'>
  /** Steps the message into the core and takes its Ready at once. */
  readonly step: (header: SnapshotHeader) => void
  /** Settles once no checkpoint is on its way. */
  readonly quiet: () => Promise<void>
  /** Writes the log's mark and what waits behind it; `durable` runs when the mark is. */
  readonly mark: (durable: () => void) => void
  /** The view has loaded it. */
  readonly installed: (meta: CheckpointMeta) => void
}

export class Installer {
  readonly #parts: InstallerParts
  /** The newest one being received; an older one gives up at its next chunk. */
  #receiving: object | undefined
  #staged: Staged | undefined
  #installing: Promise<void> | undefined

  constructor(parts: InstallerParts) {
    this.#parts = parts
  }

  /** Settles once no install is between flip and end. */
  get idle(): Promise<void> {
    return this.#installing ?? Promise.resolve()
  }

  /** A snapshot still being received is refused; one already flipped runs to its end. */
  cancel(): void {
    this.#receiving = undefined
  }

  /** Resolves when the snapshot is installed. Rejects when it is stale, damaged, superseded, cut short or none of its view. */
  async receive(header: SnapshotHeader, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    if (this.#installing !== undefined) throw this.#refused('another snapshot is being installed')
    const mark = {}
    this.#receiving = mark
    const sink = await this.#parts.state.beginInstall(this.#parts.view.rowCheck())
    let adopt: () => void
    try {
      await this.#stage(mark, header, chunks, sink)
      adopt = await this.#read(mark, header, sink)
      // In the same step as the offer: whoever begins in between has given up what was staged.
      this.#checkNewest(mark)
    } catch (error) {
      await sink.abort()
      throw error
    }
    await this.#offer(header, sink, adopt)
  }

  async #stage(
    mark: object,
    header: SnapshotHeader,
    chunks: AsyncIterable<Uint8Array>,
    sink: SnapshotSink,
  ): Promise<void> {
    const { group, shard } = this.#parts
    let begun = false
    for await (const chunk of chunks) {
      this.#checkNewest(mark)
      await shard.slots.run(() => sink.write(chunk))
      if (!begun) shard.event({ type: 'snapshotBegun', group, index: header.snapshot.index })
      begun = true
    }
    this.#checkNewest(mark)
  }

  /** What the view is to be, from rows that were made by another node. */
  async #read(mark: object, { lastAt }: SnapshotHeader, sink: SnapshotSink): Promise<() => void> {
    const { view, shard } = this.#parts
    try {
      const rows = await shard.slots.run(() => sink.staged())
      return await view.load(rows, lastAt)
    } catch (error) {
      // The rows of one that was given up meanwhile may read like anything.
      this.#checkNewest(mark)
      throw error instanceof InvariantError
        ? violation('rows', `of its rows it is not true that ${error.message}`)
        : error
    }
  }

  /** The core accepted `snapshot`: it is the staged one, and is installed from here on. */
  take(snapshot: SnapshotMeta): void {
    const staged = this.#staged
    assert(
      staged !== undefined && staged.meta.applied === snapshot.index && staged.meta.term === snapshot.term,
      'a snapshot in a Ready is the staged one',
    )
    staged.installed = this.#install(staged)
    const ended = () => {
      this.#installing = undefined
    }
    this.#installing = staged.installed.then(ended, ended)
  }

  async #offer(header: SnapshotHeader, sink: SnapshotSink, adopt: () => void): Promise<void> {
    const { index, term, confState } = header.snapshot
    const staged: Staged = {
      sink,
      meta: { applied: index, term, confState, lastAt: header.lastAt },
      adopt,
      installed: undefined,
    }
    this.#staged = staged
    this.#receiving = undefined
    try {
      this.#parts.step(header)
    } catch (error) {
      // As with any message: how far the core and what hangs on it have come nobody knows.
      this.#parts.shard.fatal(error)
      throw error
    } finally {
      this.#staged = undefined
    }
    if (staged.installed !== undefined) return staged.installed
    await sink.abort()
    throw this.#refused('it is stale')
  }

  /** From the flip on. A failure is fatal: the core has accepted the snapshot and cannot go back. */
  async #install({ sink, meta, adopt }: Staged): Promise<void> {
    const { group, shard, quiet, mark, installed } = this.#parts
    const startedMs = shard.env.monoMs()
    try {
      await quiet()
      await shard.slots.run(() => sink.commit(meta))
      await new Promise<void>((resolve) => mark(resolve))
      adopt()
      installed(meta)
    } catch (error) {
      shard.fatal(error)
      throw error
    }
    shard.event({ type: 'snapshotInstalled', group, index: meta.applied, ms: shard.env.monoMs() - startedMs })
  }

  #checkNewest(mark: object): void {
    if (this.#receiving !== mark) throw this.#refused('it was superseded')
  }

  #refused(state: string): SandglassError {
    return new SandglassError('INVALID', `Cannot install a snapshot of group ${this.#parts.group}: ${state}`)
  }
}
