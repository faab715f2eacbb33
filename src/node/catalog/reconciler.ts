/**
 * Makes this node carry what the catalog says: starts replicas placed here, removes those of deleted topics. Idempotent;
 * what fails is tried again, each time later, unless the replica is lost for good. Invariant: a replica is removed only if the catalog has handed out a later
 * id than its group's and does not have the group: one that this node's catalog has not heard of yet is left alone. And one
 * that is new here is started only when the catalog is known as it was after this process began: before, it may be one that
 * was deleted, and forgotten (storage/wal/losses.ts).
 */
import type { Env, Timer } from '../../base/env.ts'
import { CATALOG_GROUP, type GroupId, type NodeId, type ReplicaId } from '../../base/ids.ts'
import type { PartitionInfo } from '../../broker/directory.ts'
import type { GroupSpec } from '../../replication/group.ts'
import { ReplicaLostError } from '../../replication/replica-removal.ts'
import type { TopicKind } from '../../views/catalog/commands.ts'
import type { CatalogHandle } from './catalog-handle.ts'

/** What the reconciler moves: MultiRaft and the broker together, as the node composes them. */
export interface ReplicaHost {
  /** Replicas with data here, running or not (the log knows them). Without the catalog's own. */
  present(): Iterable<{ readonly group: GroupId; readonly replica: ReplicaId; readonly running: boolean }>
  /** Starts the replica and attaches it to the broker. */
  start(spec: GroupSpec, partition: PartitionInfo, kind: TopicKind): Promise<void>
  /** Detaches it from the broker and removes its data, running or not. */
  remove(group: GroupId): Promise<void>
}

export interface ReconcilerOptions {
  readonly env: Env
  readonly self: NodeId
  readonly catalog: CatalogHandle
  readonly host: ReplicaHost
  readonly onError: (group: GroupId, action: 'start' | 'remove', error: unknown) => void
}

export interface Reconciler {
  /** The catalog is known here as it was after this process began: replicas that are new here may start. */
  caughtUp(): void
  /** Resolves once everything the catalog knew at the call was tried once. */
  settled(): Promise<void>
  /** How many groups such a call still waits for. */
  untried(): number
  /** Takes up no new work and waits for what is under way. */
  close(): Promise<void>
}

/** Begins at once and follows the catalog from then on. */
export function createReconciler(options: ReconcilerOptions): Reconciler {
  return new Running(options)
}

interface Work {
  readonly group: GroupId
  /** To be started. */
  readonly replica?: ReplicaId
  readonly action: 'start' | 'remove'
  run(): Promise<void>
}

interface Failure {
  readonly retryMs: number
  readonly waitMs: number
}

/** Starting reads the disk and replays the log; more at once only makes each slower. */
const AT_ONCE = 4
const WAIT_MIN_MS = 100
const WAIT_MAX_MS = 10_000
const CATCHING_UP_MS = 20

class Running implements Reconciler {
  readonly #options: ReconcilerOptions
  /** Groups that this process started and did not remove. */
  readonly #started = new Set<GroupId>()
  readonly #busy = new Set<GroupId>()
  readonly #failures = new Map<GroupId, Failure>()
  /** Lost to damage: only a replica with another id is tried again. */
  readonly #lost = new Map<GroupId, ReplicaId>()
  /** Groups of `settled` calls that were not tried yet. */
  readonly #waiting = new Set<{ readonly groups: Set<GroupId>; readonly done: () => void }>()
  #retry: Timer | undefined
  /** Through what differs: thousands of groups are not gone through anew for each that is done. */
  #pass: Iterator<Work> | undefined
  /** When the first one of this pass that failed lately may be tried again. */
  #nextMs = Number.POSITIVE_INFINITY
  #closed = false
  #caughtUp = false

  constructor(options: ReconcilerOptions) {
    this.#options = options
    options.catalog.observe({
      status: () => undefined,
      applied: (effects) => (effects.length > 0 ? this.#look() : undefined),
      reloaded: () => this.#look(),
    })
    this.#go()
  }

  caughtUp(): void {
    this.#caughtUp = true
    this.#look()
  }

  async settled(): Promise<void> {
    while (this.#catchingUp() && !this.#closed) {
      await new Promise<void>((resolve) => this.#options.env.after(CATCHING_UP_MS, resolve))
    }
    const groups = new Set(this.#busy)
    for (const { group } of this.#work()) groups.add(group)
    if (groups.size === 0 || this.#closed) return
    await new Promise<void>((done) => {
      this.#waiting.add({ groups, done })
    })
  }

  untried(): number {
    let most = 0
    for (const { groups } of this.#waiting) most = Math.max(most, groups.size)
    return most
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#retry?.cancel()
    if (this.#busy.size === 0) return
    await new Promise<void>((done) => {
      this.#waiting.add({ groups: new Set(this.#busy), done })
    })
  }

  /** Something else may differ now. */
  #look(): void {
    this.#pass = undefined
    this.#go()
  }

  /** Takes up as much work as may run at once. */
  #go(): void {
    if (this.#closed) return
    if (this.#catchingUp()) {
      this.#goAfter(CATCHING_UP_MS)
      return
    }
    const now = this.#options.env.monoMs()
    if (this.#pass === undefined) {
      this.#pass = this.#work()
      this.#nextMs = Number.POSITIVE_INFINITY
    }
    while (this.#busy.size < AT_ONCE) {
      const { done, value: work } = this.#pass.next()
      if (done === true) {
        this.#passed(now)
        return
      }
      const retryMs = this.#failures.get(work.group)?.retryMs ?? now
      if (retryMs <= now) void this.#run(work)
      else this.#nextMs = Math.min(this.#nextMs, retryMs)
    }
  }

  #passed(now: number): void {
    this.#pass = undefined
    if (this.#nextMs < Number.POSITIVE_INFINITY) this.#goAfter(Math.max(0, this.#nextMs - now))
    // What is still waited for is not wanted any more, or was tried and waits for its time.
    if (this.#busy.size === 0) this.#tried(() => true)
  }

  #goAfter(ms: number): void {
    this.#retry?.cancel()
    this.#retry = this.#options.env.after(ms, () => this.#look())
  }

  /** What is being replayed is the past: a topic of it may be deleted a few entries later. */
  #catchingUp(): boolean {
    const { applied, commit } = this.#options.catalog.status()
    return applied < commit
  }

  async #run(work: Work): Promise<void> {
    const { group, replica, action } = work
    this.#busy.add(group)
    try {
      await work.run()
      if (action === 'start') this.#started.add(group)
      else this.#started.delete(group)
      this.#failures.delete(group)
    } catch (error) {
      const waitMs = Math.min(2 * (this.#failures.get(group)?.waitMs ?? WAIT_MIN_MS / 2), WAIT_MAX_MS)
      this.#failures.set(group, { waitMs, retryMs: this.#options.env.monoMs() + waitMs })
      if (replica !== undefined && error instanceof ReplicaLostError) this.#lost.set(group, replica)
      this.#options.onError(group, action, error)
    }
    this.#busy.delete(group)
    this.#tried((groups) => groups.delete(group) && groups.size === 0)
    this.#go()
  }

  /** Ends the waits for which `over` holds. */
  #tried(over: (groups: Set<GroupId>) => boolean): void {
    for (const waiting of this.#waiting) {
      if (!over(waiting.groups)) continue
      this.#waiting.delete(waiting)
      waiting.done()
    }
  }

  /** What differs between the catalog and this node, without what is under way. */
  *#work(): Generator<Work, undefined> {
    for (const work of this.#toRemove()) if (!this.#busy.has(work.group)) yield work
    for (const work of this.#toStart()) if (!this.#busy.has(work.group)) yield work
  }

  *#toStart(): Iterable<Work> {
    const { catalog, self, host } = this.#options
    const mayStart = this.#caughtUp ? undefined : new Set(Array.from(host.present(), ({ group }) => group))
    for (const topic of catalog.view.topics()) {
      for (const partition of topic.partitions) {
        const { group, replicas } = partition
        const own = replicas.find(({ node }) => node === self)
        if (own === undefined || this.#started.has(group) || this.#lost.get(group) === own.replica) continue
        if (mayStart?.has(group) === false) continue
        const { replica } = own
        const spec: GroupSpec = { group, replica, members: replicas }
        yield { group, replica, action: 'start', run: () => host.start(spec, partition, topic.kind) }
      }
    }
  }

  *#toRemove(): Iterable<Work> {
    const { catalog, self, host } = this.#options
    const { view } = catalog
    const here = new Set(this.#started)
    for (const { group } of host.present()) here.add(group)
    here.delete(CATALOG_GROUP)
    for (const group of here) {
      const partition = view.partitionOfGroup(group)
      const wanted = partition?.replicas.some(({ node }) => node === self) ?? group >= view.nextId
      if (!wanted) yield { group, action: 'remove', run: () => host.remove(group) }
    }
  }
}
