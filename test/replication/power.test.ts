/** The shard over the real log on a disk that loses what was not synced: nothing acknowledged is ever gone. */
import { describe, expect, test } from 'vitest'
import type { NodeId } from '../../src/base/ids.ts'
import type { GroupHandle, ProposalOutcome } from '../../src/replication/group.ts'
import { MultiRaft } from '../../src/replication/multi-raft.ts'
import { MemoryDisk } from '../../src/storage/state/memory-database.ts'
import { memoryStateStore } from '../../src/storage/state/store.ts'
import { openWal } from '../../src/storage/wal/open.ts'
import { SimulatedDisk } from '../storage/simulated-disk.ts'
import { type VirtualEnv, VirtualTime } from '../virtual-env.ts'
import { GROUP } from './cluster.ts'
import { ListView, text } from './list-view.ts'
import { MemoryNetwork } from './memory-transport.ts'

type Handle = GroupHandle<string, string, ListView>

const IDS: readonly NodeId[] = [1, 2, 3]
const SPEC = { group: GROUP, members: IDS.map((node) => ({ replica: node * 10, node })) }

class Machine {
  readonly id: NodeId
  readonly disk = new SimulatedDisk()
  readonly fatal: Error[] = []
  readonly #world: World
  readonly #stateDisk = new MemoryDisk()
  #env: VirtualEnv | undefined
  handle: Handle | undefined

  constructor(world: World, id: NodeId) {
    this.#world = world
    this.id = id
  }

  async boot(): Promise<void> {
    const env = this.#world.time.env()
    this.#env = env
    const onFatal = (error: Error) => this.fatal.push(error)
    const { wal, damage } = await openWal({
      ...{ dir: 'wal', disk: this.disk.boot(), env, segmentBytes: 16_384, retainBytes: 32_768, reserveBytes: 0 },
      ...{ onState: () => undefined, onFatal },
    })
    expect(damage).toEqual([])
    const multi = new MultiRaft({
      ...{ env, node: this.id, wal, damage, onFatal, state: memoryStateStore(env, this.#stateDisk) },
      transport: this.#world.network.transport(this.id),
      limits: { checkpointBytes: 8000, walRetainBytes: 4000 },
    })
    this.handle = await multi.start<string, string, ListView>({ ...SPEC, replica: this.id * 10 }, () => new ListView())
  }

  /** The power goes. */
  cut(): void {
    this.#env?.crash()
    this.disk.crash(() => this.#world.time.random())
    this.#stateDisk.cutPower()
    this.#world.network.down(this.id)
    this.handle = undefined
  }
}

class World {
  readonly time: VirtualTime
  readonly network: MemoryNetwork
  readonly machines: Machine[]
  readonly asked: { readonly value: string; readonly outcomes: ProposalOutcome<string>[] }[] = []

  constructor(seed: number) {
    this.time = new VirtualTime(seed)
    this.network = new MemoryNetwork(this.time)
    this.machines = IDS.map((id) => new Machine(this, id))
  }

  boot(machines: readonly Machine[]): Promise<unknown> {
    return this.time.during(Promise.all(machines.map((machine) => machine.boot())))
  }

  async work(ms: number): Promise<void> {
    const endMs = this.time.nowMs + ms
    while (this.time.nowMs < endMs) {
      for (const { handle } of this.machines) {
        if (handle?.status().ready !== true) continue
        const value = `${this.asked.length}-${'x'.repeat(200)}`
        const outcomes: ProposalOutcome<string>[] = []
        this.asked.push({ value, outcomes })
        handle.propose({ at: this.time.nowMs, commands: [text(value)], done: (outcome) => outcomes.push(outcome) })
      }
      await this.time.run(this.time.random() * 40)
    }
  }

  async settled(): Promise<string[]> {
    const handles = this.machines.flatMap(({ handle }) => handle ?? [])
    await this.time.until(() => handles.some((handle) => handle.status().ready), 30_000, 'a leader')
    const commit = Math.max(...handles.map((handle) => handle.status().commit))
    await this.time.until(() => handles.every((handle) => handle.status().applied >= commit), 30_000, 'all to apply')
    const [first, ...others] = await Promise.all(handles.map((handle) => handle.view.texts(handle.reader)))
    for (const other of others) expect(other).toEqual(first)
    return first ?? []
  }

  check(texts: readonly string[]): void {
    const stored = new Set(texts)
    expect(stored.size).toBe(texts.length)
    const applied = this.asked.filter(({ outcomes }) => outcomes[0]?.type === 'applied')
    expect(applied.length).toBeGreaterThan(50)
    expect(applied.filter(({ value }) => !stored.has(value))).toEqual([])
    const refused = this.asked.filter(({ outcomes }) => outcomes[0]?.type === 'refused')
    expect(refused.filter(({ value }) => stored.has(value))).toEqual([])
    for (const { fatal } of this.machines) expect(fatal).toEqual([])
  }
}

describe('what was acknowledged', { timeout: 60_000 }, () => {
  test('survives power cuts of one machine after the other', async () => {
    for (let seed = 1; seed <= 2; seed++) {
      const world = new World(seed)
      await world.boot(world.machines)
      for (let round = 0; round < 5; round++) {
        await world.work(1000)
        const victim = world.machines[Math.floor(world.time.random() * 3)]
        if (victim === undefined) throw new Error('no machine')
        victim.cut()
        await world.work(world.time.random() * 2000)
        await world.boot([victim])
      }
      await world.work(1000)
      await world.time.run(2000)
      world.check(await world.settled())
    }
  })

  test('survives power cuts of all machines at once', async () => {
    for (let seed = 11; seed <= 12; seed++) {
      const world = new World(seed)
      await world.boot(world.machines)
      for (let round = 0; round < 5; round++) {
        await world.work(1000 + world.time.random() * 100)
        for (const machine of world.machines) machine.cut()
        await world.boot(world.machines)
      }
      await world.work(1000)
      await world.time.run(2000)
      world.check(await world.settled())
    }
  })
})
