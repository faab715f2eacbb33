/**
 * A node with the real log on a simulated disk and the real replication over it, its state in memory, under virtual time.
 * What the log takes on the disk is noted before every change of the disk, so that no peak is missed.
 */
import { SandglassError } from '../../src/base/errors.ts'
import type { GroupId, NodeId } from '../../src/base/ids.ts'
import type { ReplicationEvent } from '../../src/replication/events.ts'
import type { GroupHandle, GroupSpec } from '../../src/replication/group.ts'
import { MultiRaft } from '../../src/replication/multi-raft.ts'
import type { ReplicationLimits, Timing } from '../../src/replication/options.ts'
import { MemoryDisk } from '../../src/storage/state/memory-database.ts'
import { memoryStateStore } from '../../src/storage/state/store.ts'
import type { CheckpointMeta, GroupState, StateStore } from '../../src/storage/state/types.ts'
import { openWal } from '../../src/storage/wal/open.ts'
import type { Wal } from '../../src/storage/wal/types.ts'
import type { View } from '../../src/views/view.ts'
import { SimulatedDisk } from '../storage/simulated-disk.ts'
import type { VirtualEnv, VirtualTime } from '../virtual-env.ts'
import type { MemoryNetwork } from './memory-transport.ts'

export interface LoggedSettings {
  readonly segmentBytes: number
  readonly retainBytes: number
  /** Of every checkpoint. */
  readonly checkpointMs: number
  readonly timing?: Partial<Timing>
  readonly limits?: Partial<ReplicationLimits>
}

export class LoggedNode {
  readonly id: NodeId
  /** Its operations take place at once. */
  readonly disk = new SimulatedDisk((run) => run())
  readonly events: ReplicationEvent[] = []
  readonly fatal: Error[] = []
  /** The log's files at their largest, and all bytes that went into them up to each moment. */
  peakBytes = 0
  readonly logged: { readonly ms: number; readonly bytes: number }[] = []
  batchBytesMax = 0
  /** Each chunk of a snapshot waits for it before it is written. */
  beforeChunk: (() => Promise<void>) | undefined = undefined
  /** The disk takes none. */
  checkpointsFail = false
  #stateDamage: string | undefined
  readonly #time: VirtualTime
  readonly #network: MemoryNetwork
  readonly #settings: LoggedSettings
  readonly #stateDisk = new MemoryDisk()
  #env: VirtualEnv
  #wal: Wal | undefined
  #multi: MultiRaft | undefined

  constructor(time: VirtualTime, network: MemoryNetwork, id: NodeId, settings: LoggedSettings) {
    this.#time = time
    this.#network = network
    this.id = id
    this.#settings = settings
    this.#env = time.env()
    this.disk.before = () => {
      this.peakBytes = Math.max(this.peakBytes, this.disk.used())
    }
  }

  get env(): VirtualEnv {
    return this.#env
  }

  get running(): boolean {
    return this.#multi !== undefined
  }

  get wal(): Wal {
    if (this.#wal === undefined) throw new Error(`node ${this.id} does not run`)
    return this.#wal
  }

  get multi(): MultiRaft {
    if (this.#multi === undefined) throw new Error(`node ${this.id} does not run`)
    return this.#multi
  }

  async boot(): Promise<void> {
    const env = this.#time.env()
    const { segmentBytes, retainBytes, limits, timing } = this.#settings
    this.#env = env
    const onFatal = (error: Error) => this.fatal.push(error)
    const { wal, damage } = await openWal({
      ...{ dir: 'wal', disk: this.disk.boot(), env, segmentBytes, retainBytes, reserveBytes: 0, onFatal },
      onState: () => undefined,
      onBatch: ({ bytes }) => {
        this.batchBytesMax = Math.max(this.batchBytesMax, bytes)
        this.logged.push({ ms: this.#time.nowMs, bytes: (this.logged.at(-1)?.bytes ?? 0) + bytes })
      },
    })
    this.#wal = wal
    this.#multi = new MultiRaft({
      ...{ env, node: this.id, wal, damage, onFatal, state: this.#slowState(env) },
      transport: this.#network.transport(this.id),
      onEvent: (event) => this.events.push(event),
      limits: { walRetainBytes: retainBytes, ...limits },
      ...(timing && { timing }),
    })
  }

  start<R, E, V extends View<R, E>>(spec: GroupSpec, createView: () => V): Promise<GroupHandle<R, E, V>> {
    return this.multi.start<R, E, V>(spec, createView)
  }

  /** kill -9. */
  kill(): void {
    this.#env.crash()
    this.disk.kill()
    this.#network.down(this.id)
    this.#multi = undefined
  }

  /** The state turns out damaged, as by a read, until a snapshot is installed. */
  breakState(damage: string): void {
    this.#stateDamage = damage
  }

  /** The most that went into the log within `ms`. */
  loggedWithin(ms: number): number {
    let most = 0
    let from = 0
    for (const { ms: now, bytes } of this.logged) {
      while ((this.logged[from]?.ms ?? now) < now - ms) from++
      most = Math.max(most, bytes - (this.logged[from - 1]?.bytes ?? 0))
    }
    return most
  }

  checkpoints(group: GroupId): number {
    return this.events.filter((event) => event.type === 'checkpointed' && event.group === group).length
  }

  #slowState(env: VirtualEnv): StateStore {
    const store = memoryStateStore(env, this.#stateDisk)
    const open = store.group.bind(store)
    store.group = async (group) => {
      const state = await open(group)
      return this.#slow(env, state)
    }
    return store
  }

  #slow(env: VirtualEnv, state: GroupState): GroupState {
    const checkpoint = async (...of: Parameters<GroupState['checkpoint']>) => {
      if (this.checkpointsFail) throw new SandglassError('INTERNAL', 'Cannot save: the disk refuses')
      await state.checkpoint(...of)
      await new Promise<void>((resolve) => env.after(this.#settings.checkpointMs, resolve))
    }
    const beginInstall: GroupState['beginInstall'] = async (check) => {
      const sink = await state.beginInstall(check)
      const write = async (chunk: Uint8Array) => {
        await this.beforeChunk?.()
        await sink.write(chunk)
      }
      const commit = async (meta: CheckpointMeta) => {
        await sink.commit(meta)
        this.#stateDamage = undefined
      }
      return { write, abort: sink.abort.bind(sink), staged: sink.staged.bind(sink), commit }
    }
    const get = (_: GroupState, key: keyof GroupState) => {
      if (key === 'damage') return this.#stateDamage ?? state.damage
      if (key === 'checkpoint') return checkpoint
      if (key === 'beginInstall') return beginInstall
      const value = state[key]
      return typeof value === 'function' ? value.bind(state) : value
    }
    return new Proxy(state, { get: (target, key) => get(target, key as keyof GroupState) })
  }
}
