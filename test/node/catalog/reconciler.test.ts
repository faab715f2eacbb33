import { beforeEach, describe, expect, test } from 'vitest'
import type { GroupId } from '../../../src/base/ids.ts'
import type { CatalogHandle } from '../../../src/node/catalog/catalog-handle.ts'
import { createReconciler, type Reconciler, type ReplicaHost } from '../../../src/node/catalog/reconciler.ts'
import type { GroupObserver, GroupStatus } from '../../../src/replication/group.ts'
import { ReplicaLostError } from '../../../src/replication/replica-removal.ts'
import { type CatalogView, createCatalogView } from '../../../src/views/catalog/catalog-view.ts'
import { encodeCommand } from '../../../src/views/catalog/command-codec.ts'
import type { CatalogCommand, CatalogEffect } from '../../../src/views/catalog/commands.ts'
import { MemoryStore } from '../../views/catalog/memory-store.ts'
import { VirtualTime } from '../../virtual-env.ts'

/** Replicas that take a while to start and stop, and fail when told to. */
class FakeHost implements ReplicaHost {
  readonly running = new Set<GroupId>()
  readonly data = new Set<GroupId>()
  readonly log: string[] = []
  failures = 0
  /** Replicas that never start again. */
  lost: ReadonlySet<GroupId> = new Set()
  atOnce = 0
  mostAtOnce = 0
  readonly #time: VirtualTime

  constructor(time: VirtualTime) {
    this.#time = time
  }

  *present() {
    for (const group of this.data) yield { group, replica: group + 1, running: this.running.has(group) }
  }

  async start({ group }: { group: GroupId }): Promise<void> {
    await this.#work(`start ${group}`)
    if (this.lost.has(group)) throw new ReplicaLostError('told to be lost')
    if (this.running.has(group)) throw new Error(`${group} runs twice`)
    this.running.add(group)
    this.data.add(group)
  }

  async remove(group: GroupId): Promise<void> {
    await this.#work(`remove ${group}`)
    this.running.delete(group)
    this.data.delete(group)
  }

  async #work(what: string): Promise<void> {
    this.log.push(what)
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce)
    await new Promise<void>((resolve) => this.#time.after(10, resolve))
    this.atOnce--
    if (this.failures > 0) {
      this.failures--
      throw new Error('told to fail')
    }
  }
}

/** A catalog replica of which only the view and the news matter. */
class FakeCatalog {
  readonly view: CatalogView = createCatalogView()
  readonly #store = new MemoryStore()
  readonly #observers: GroupObserver<CatalogEffect>[] = []
  #index = 0
  /** Entries that are committed and not applied yet. */
  behind = 0

  handle(): CatalogHandle {
    const none = () => {
      throw new Error('not asked for')
    }
    const observe = (observer: GroupObserver<CatalogEffect>) => this.#observers.push(observer)
    const store = this.#store
    return {
      ...{ group: 1, replica: 1, members: [], view: this.view, store, reader: store, status: () => this.#status() },
      ...{ propose: none, read: none, transferLeadership: none, observe, wallMs: () => 0 },
    }
  }

  #status(): GroupStatus {
    const leader = { role: 'follower', term: 1, leaderReplica: 2, leaderNode: 2, ready: false } as const
    return { ...leader, commit: this.#index + this.behind, applied: this.#index, lastAt: 0, match: new Map() }
  }

  apply(command: CatalogCommand): void {
    const { effects } = this.view.apply(encodeCommand(command), this.#store.context(++this.#index))
    for (const observer of this.#observers) observer.applied(effects, 0, this.#index)
  }

  topic(name: string, partitions: number): readonly GroupId[] {
    this.apply({ type: 'createTopic', request: name, name, kind: 'timer', partitions, replicationFactor: 1, live: [1] })
    return this.view.topic(name)?.partitions.map(({ group }) => group) ?? []
  }
}

describe('reconciler', () => {
  let time: VirtualTime
  let host: FakeHost
  let catalog: FakeCatalog
  let errors: string[]

  const reconcile = (caughtUp = true): Reconciler => {
    const reconciler = createReconciler({
      env: time.env(),
      self: 1,
      catalog: catalog.handle(),
      host,
      onError: (group, action) => errors.push(`${action} ${group}`),
    })
    if (caughtUp) reconciler.caughtUp()
    return reconciler
  }

  beforeEach(() => {
    time = new VirtualTime()
    host = new FakeHost(time)
    catalog = new FakeCatalog()
    errors = []
    const address = { grpc: 'a:1', raft: 'a:2', http: 'a:3', version: '1' }
    catalog.apply({ type: 'registerNode', node: { id: 1, name: 'n1', ...address } })
  })

  test('everything known at boot is started, a few at a time', async () => {
    const groups = catalog.topic('orders', 20)
    await time.during(reconcile().settled())
    expect([...host.running].sort()).toEqual([...groups].sort())
    expect(host.mostAtOnce).toBe(4)
  })

  test('a topic made later is started, a deleted one removed', async () => {
    reconcile()
    const groups = catalog.topic('orders', 3)
    await time.run(100)
    expect([...host.running]).toEqual(groups)
    catalog.apply({ type: 'deleteTopic', name: 'orders', id: catalog.view.topic('orders')?.id ?? 0 })
    await time.run(100)
    expect(host.data.size).toBe(0)
  })

  test('a topic deleted while its replicas start leaves nothing behind', async () => {
    reconcile()
    catalog.topic('orders', 8)
    await time.run(5)
    catalog.apply({ type: 'deleteTopic', name: 'orders', id: catalog.view.topic('orders')?.id ?? 0 })
    await time.run(1000)
    expect(host.data.size).toBe(0)
  })

  test('a past that is replayed starts nothing that it deletes again', async () => {
    catalog.behind = 2
    const reconciler = reconcile()
    catalog.topic('orders', 3)
    catalog.behind = 1
    await time.run(1000)
    catalog.behind = 0
    catalog.apply({ type: 'deleteTopic', name: 'orders', id: catalog.view.topic('orders')?.id ?? 0 })
    await time.during(reconciler.settled())
    await time.run(1000)
    expect(host.log).toEqual([])
  })

  test('data of a group that this catalog has not heard of yet is left alone, of a deleted one removed', async () => {
    const [group = 0] = catalog.topic('orders', 1)
    catalog.apply({ type: 'deleteTopic', name: 'orders', id: catalog.view.topic('orders')?.id ?? 0 })
    const unheard = catalog.view.nextId + 1
    host.data.add(group).add(unheard)
    await time.during(reconcile().settled())
    expect([...host.data]).toEqual([unheard])
  })

  test('what is new here is started once the catalog is known as it is now, what has a log at once', async () => {
    const [known = 0, fresh = 0] = catalog.topic('orders', 2)
    host.data.add(known)
    const reconciler = reconcile(false)
    await time.during(reconciler.settled())
    await time.run(20_000)
    expect([...host.running]).toEqual([known])
    reconciler.caughtUp()
    await time.during(reconciler.settled())
    expect([...host.running]).toEqual([known, fresh])
  })

  test('what is new here and was deleted meanwhile is never started', async () => {
    catalog.topic('orders', 3)
    const reconciler = reconcile(false)
    await time.run(1000)
    catalog.apply({ type: 'deleteTopic', name: 'orders', id: catalog.view.topic('orders')?.id ?? 0 })
    reconciler.caughtUp()
    await time.run(1000)
    expect(host.log).toEqual([])
  })

  test('what fails is tried again, each time later, until it works', async () => {
    host.failures = 4
    const [group = 0] = catalog.topic('orders', 1)
    await time.during(reconcile().settled())
    expect(errors).toEqual([`start ${group}`])
    await time.run(100 + 200 + 400 + 40)
    expect(errors).toHaveLength(4)
    expect(host.running.has(group)).toBe(false)
    await time.run(1000)
    expect(host.running.has(group)).toBe(true)
    expect(host.log).toHaveLength(5)
  })

  test('one that is lost for good is tried once, and the others go on', async () => {
    const groups = catalog.topic('orders', 3)
    const [first = 0] = groups
    host.lost = new Set([first])
    await time.during(reconcile().settled())
    await time.run(60_000)
    expect(errors).toEqual([`start ${first}`])
    expect([...host.running].sort()).toEqual(groups.slice(1))
  })

  test('one that always fails does not keep the others', async () => {
    const groups = catalog.topic('orders', 6)
    host.failures = 1
    await time.during(reconcile().settled())
    expect(errors).toHaveLength(1)
    expect(host.running.size).toBe(groups.length - 1)
  })

  test('settled ends even if what it waits for is not wanted any more', async () => {
    const reconciler = reconcile()
    catalog.topic('orders', 8)
    const settled = reconciler.settled()
    catalog.apply({ type: 'deleteTopic', name: 'orders', id: catalog.view.topic('orders')?.id ?? 0 })
    await time.during(settled, 1000)
  })

  test('closing waits for what is under way and takes up nothing more', async () => {
    catalog.topic('orders', 8)
    const reconciler = reconcile()
    await time.during(reconciler.close())
    expect(host.atOnce).toBe(0)
    await time.run(1000)
    expect(host.running.size).toBe(4)
  })
})
