/**
 * The running log: what is appended in one turn becomes a batch at its end; while one batch is on its way to the disk,
 * the next one collects. Invariant: a write takes effect and its `done` runs only after the fdatasync of its batch, in
 * order of append. Reads see durable records only.
 */
import { assert } from '../../base/assert.ts'
import type { Env, Timer } from '../../base/env.ts'
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import { type Batch, Collector } from './batch.ts'
import { RecentCache } from './recent.ts'
import type { Registry } from './registry.ts'
import { laggards, planRelease, type ReleaseInput, type ReleasePlan, sealsEarly } from './release.ts'
import type { Segment } from './segment.ts'
import type { SegmentFiles, WrittenFrame } from './segment-files.ts'
import type { Space } from './space.ts'
import type { GroupLog, LogPosition, Wal, WalBatchStats, WalState, WalStats, WalWrite } from './types.ts'
import { Watchdog } from './watchdog.ts'
import { isNoSpace, mayPass } from './write-all.ts'

/** Silence after which an empty batch proves the last one. */
const IDLE_MS = 20
/** Between tries while the disk is full, or there are no file handles. */
const RETRY_MS = 500

export interface ShardWalOptions {
  readonly env: Env
  readonly registry: Registry
  readonly files: SegmentFiles
  readonly segmentBytes: number
  readonly retainBytes: number
  readonly cacheBytes: number
  readonly onState: (state: WalState, cause: unknown) => void
  readonly onFatal: (error: Error) => void
  readonly onBatch: ((stats: WalBatchStats) => void) | undefined
}

export class ShardWal implements Wal {
  readonly #options: ShardWalOptions
  readonly #cache: RecentCache
  #space: Space | undefined
  readonly #collector = new Collector()
  /** On its way, or kept until there is room. */
  #batch: Batch | undefined
  #running = false
  #blocked = false
  #failed = false
  #closing = false
  #state: WalState = 'ok'
  /** The last batch holds records and nothing behind it proves it. */
  #unproven = true
  #proofDue = false
  #timer: Timer | undefined
  #batches = 0
  #background: Promise<void> = Promise.resolve()
  #onIdle: (() => void) | undefined
  readonly #watchdog: Watchdog
  /** Why it is not 'ok', if an error said so. */
  #cause: unknown

  constructor(options: ShardWalOptions) {
    this.#options = options
    this.#watchdog = new Watchdog(options.env, () => this.judge())
    this.#cache = new RecentCache(options.cacheBytes)
  }

  /** Begins to heed the room on the disk, and to prove and release what an earlier run left. */
  start(space: Space): void {
    this.#space = space
    this.judge()
    if (this.#canMakeRoom()) this.#wake()
    else this.#rest()
  }

  append(write: WalWrite, done: () => void): void {
    assert(!this.#closing, 'a closed log takes no writes')
    if (this.#failed) return
    const log = this.#options.registry.open(write.group, write.replica)
    log.accept(write)
    this.#collector.add(log, write, done)
    this.#wake()
  }

  group(group: GroupId): GroupLog | undefined {
    const log = this.#options.registry.get(group)
    return log?.removing ? undefined : log
  }

  *groups(): Iterable<GroupLog> {
    for (const log of this.#options.registry.all()) {
      if (!log.removing) yield log
    }
  }

  tombstone(group: GroupId): ReplicaId | undefined {
    return this.#options.registry.tombstone(group)
  }

  release(group: GroupId, covered: LogPosition, keepFrom: number, heldFrom = Number.POSITIVE_INFINITY): void {
    const log = this.#options.registry.get(group)
    const more = log?.release(covered, keepFrom, heldFrom) ?? false
    if (more && !this.#closing && this.#canMakeRoom()) this.#wake()
  }

  laggards(): readonly GroupId[] {
    return laggards(this.#held())
  }

  get state(): WalState {
    return this.#state
  }

  get pendingBytes(): number {
    return this.#collector.bytes
  }

  stats(): WalStats {
    const { segments } = this.#options.files
    let bytes = 0
    for (const segment of segments) bytes += segment.end
    const { length } = segments
    return { state: this.#state, bytes, segments: length, batches: this.#batches, pendingBytes: this.pendingBytes }
  }

  async close(): Promise<void> {
    assert(!this.#closing, 'a log is closed once')
    this.#closing = true
    this.#timer?.cancel()
    await this.#flush()
    this.#watchdog.stop()
    await this.#space?.stop()
    await this.#background
    await this.#options.files.close()
  }

  /** The disk, or the process's view of it, can no longer be trusted. */
  fail(error: unknown): void {
    if (this.#failed) return
    this.#failed = true
    this.#cause = error
    this.#timer?.cancel()
    this.#watchdog.stop()
    this.#collector.drop()
    this.judge()
    this.#options.onFatal(error instanceof Error ? error : new Error('Cannot write the log', { cause: error }))
    this.#onIdle?.()
  }

  /** Tells the outside if the state is another one now. */
  judge(): void {
    const state = this.#judged()
    if (state === this.#state) return
    this.#state = state
    this.#options.onState(state, this.#cause)
    if (state === 'full' && !this.#closing && this.#canMakeRoom()) this.#wake()
  }

  #judged(): WalState {
    if (this.#failed) return 'failed'
    if (this.#watchdog.stuck) return 'stuck'
    return this.#blocked || this.#space?.low ? 'full' : 'ok'
  }

  #plan(): ReleasePlan | undefined {
    return planRelease(this.#held())
  }

  #canMakeRoom(): boolean {
    return this.#plan() !== undefined || sealsEarly(this.#held())
  }

  #held(): ReleaseInput {
    const { files, registry, retainBytes, segmentBytes } = this.#options
    const isUrgent = this.#state === 'full'
    return { segments: files.segments, logs: () => registry.durable(), retainBytes, segmentBytes, isUrgent }
  }

  #wake(): void {
    if (this.#running || this.#failed) return
    this.#running = true
    this.#timer?.cancel()
    this.#options.env.endOfTurn(() => void this.#turn())
  }

  async #turn(): Promise<void> {
    try {
      this.#watchdog.begin()
      await this.#step()
    } catch (error) {
      if (mayPass(error)) this.#block(error)
      else this.fail(error)
      return
    } finally {
      this.#watchdog.end()
    }
    if (this.#failed) return
    this.#running = false
    if (this.#blocked) {
      this.#blocked = false
      this.#cause = undefined
      this.judge()
    }
    if (this.#batch || !this.#collector.empty || this.#proofDue || this.#canMakeRoom()) this.#wake()
    else this.#rest()
  }

  /** One batch, from closing to confirming. What fails for want of room is simply done again. */
  async #step(): Promise<void> {
    const { files, registry } = this.#options
    if (files.needsRotation || sealsEarly(this.#held())) await files.rotate(registry.states(files.oldest))
    const freeing = this.#freeing()
    const batch = freeing ?? this.#batch ?? this.#collector.close(this.#plan())
    if (!freeing) this.#batch = batch
    this.#proofDue = false
    const written = await files.write(
      batch.writes.map(({ input }) => input),
      { floor: batch.release?.floor },
    )
    if (this.#failed) return
    if (!freeing) this.#batch = undefined
    this.#settle(batch, written)
  }

  /** A batch was kept for want of room: what makes room goes first. */
  #freeing(): Batch | undefined {
    const plan = this.#batch && !this.#batch.release ? this.#plan() : undefined
    return plan && this.#collector.freeing(plan)
  }

  /** The batch is durable: records take effect, then callbacks run. */
  #settle(batch: Batch, written: WrittenFrame): void {
    const { registry, onBatch } = this.#options
    const { writes, release } = batch
    this.#collector.settle(batch, written, registry, this.#cache)
    this.#batches++
    this.#unproven = writes.length > 0
    if (release) {
      written.segment.carriedEnd = written.segment.end
      if (release.segment) this.#delete(release.segment)
    }
    onBatch?.({ bytes: written.frame.bytes, writeMs: written.writeMs, fsyncMs: written.fsyncMs })
    for (const { done } of writes) done?.()
  }

  #delete(segment: Segment): void {
    const { files } = this.#options
    files.detachOldest(segment)
    this.#inBackground(() => this.#untilItPasses(() => files.delete(segment)))
  }

  #inBackground(job: () => Promise<void>): void {
    this.#background = this.#background.then(job).catch((error: unknown) => this.fail(error))
  }

  async #untilItPasses(job: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await job()
      } catch (error) {
        if (!mayPass(error) || this.#closing) throw error
        await new Promise<void>((resolve) => this.#options.env.after(RETRY_MS, resolve))
      }
    }
  }

  /** No room: the batch is kept, nothing is confirmed, the reserve goes to whoever can make room. */
  #block(error: unknown): void {
    this.#blocked = true
    this.#cause = error
    if (isNoSpace(error)) this.#space?.exhausted()
    this.judge()
    if (this.#closing) this.#onIdle?.()
    else this.#timer = this.#options.env.after(RETRY_MS, () => void this.#turn())
  }

  /** Nothing to do: an empty batch soon proves the last one, unless it is empty itself. */
  #rest(): void {
    this.#onIdle?.()
    if (!this.#unproven || this.#closing) return
    this.#timer = this.#options.env.after(IDLE_MS, () => this.#prove())
  }

  #prove(): void {
    this.#proofDue = true
    this.#wake()
  }

  /** Waits until everything appended is durable and proven; gives up if the disk is full or failed. */
  async #flush(): Promise<void> {
    if (this.#failed || this.#blocked) return
    if (this.#unproven || !this.#collector.empty || this.#running) {
      const idle = new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
      if (!this.#running) this.#prove()
      await idle
    }
    this.#onIdle = undefined
    if (this.#unproven) await this.#flush()
  }
}
