/**
 * One node of the simulated cluster over all its lives: the disks and the clock outlive a process, which is the real log,
 * the real replication layer and the real broker over them.
 */
import type { GroupId, NodeId, ReplicaId } from '../../src/base/ids.ts'
import { createBroker } from '../../src/broker/broker.ts'
import type { BrokerConfig, BrokerEvent } from '../../src/broker/config.ts'
import type { ReplicationEvent } from '../../src/replication/events.ts'
import type { GroupSpec, Member } from '../../src/replication/group.ts'
import type { Handle } from '../../src/replication/handle.ts'
import { MultiRaft } from '../../src/replication/multi-raft.ts'
import { MemoryDisk } from '../../src/storage/state/memory-database.ts'
import { memoryStateStore } from '../../src/storage/state/store.ts'
import { openWal } from '../../src/storage/wal/open.ts'
import type { Wal } from '../../src/storage/wal/types.ts'
import type { TimerEffect, TimerReply } from '../../src/views/timer/commands.ts'
import type { TimerView } from '../../src/views/timer/timer-view.ts'
import type { ConfChecker } from '../raft/simulation/conf-checker.ts'
import type { LeaderChecker } from '../raft/simulation/leader-checker.ts'
import type { LogChecker } from '../raft/simulation/log-checker.ts'
import type { Random } from '../raft/simulation/random.ts'
import type { VirtualTime } from '../virtual-env.ts'
import { checkedView } from './checked-view.ts'
import { SimDirectory } from './directory.ts'
import { HandedLogs } from './handed-log.ts'
import type { SimNetwork } from './network.ts'
import { Process } from './process.ts'
import type { RaftChecker } from './raft-checker.ts'
import { SimDisk } from './sim-disk.ts'
import { SimEnv, slowed } from './sim-env.ts'
import { damageState } from './state-damage.ts'
import type { Swarm } from './swarm.ts'
import type { Trace } from './trace.ts'

export type SimHandle = Handle<TimerReply, TimerEffect, TimerView>

export interface MachineWorld {
  readonly time: VirtualTime
  readonly swarm: Swarm
  readonly network: SimNetwork
  readonly checker: RaftChecker
  readonly leaders: LeaderChecker
  readonly logs: LogChecker
  readonly confs: ConfChecker
  readonly trace: Trace
  readonly brokerConfig: BrokerConfig
  /** Where all replicas of the group are. */
  everybody(group: GroupId): readonly Member[]
  /** An entry was applied somewhere. */
  applied(machine: Machine, handle: SimHandle, index: number): void
  /** Something may have changed in the core of a replica. */
  look(machine: Machine, group: GroupId): void
  /** A leader on node `id` begins at time `now`. */
  begins(id: NodeId, now: number): void
  /** A process ended: streams to it break. */
  ended(): void
}

/** After a process died of itself it is started again this much later. */
const RESTART_MS = 300

export class Machine {
  readonly id: NodeId
  readonly disk: SimDisk
  /** Replicas that placement wants here. */
  readonly specs = new Map<GroupId, GroupSpec>()
  /** How far its wall clock is off, ms. */
  wallOffsetMs = 0
  /** Of this life or the last one: what it knows to be durable. */
  wal: Wal | undefined
  /** Groups whose state here was lost and is not replaced yet. */
  readonly stateLost = new Set<GroupId>()
  /** With what is on its way there. */
  handed: HandedLogs | undefined
  process: Process | undefined
  readonly #world: MachineWorld
  readonly #random: Random
  readonly #stateDisk = new MemoryDisk()
  #lives = 0

  constructor(world: MachineWorld, id: NodeId, random: Random) {
    this.#world = world
    this.id = id
    this.#random = random
    this.disk = new SimDisk(world.time, random.split(), world.swarm.disk)
  }

  get up(): boolean {
    return this.process?.started === true
  }

  handle(group: GroupId): SimHandle | undefined {
    return this.process?.multi?.handle(group) as SimHandle | undefined
  }

  /** Starts a process, unless one runs. */
  boot(): void {
    if (this.process !== undefined) return
    const env = new SimEnv(this.#world.time, this.#random.split(), () => this.wallOffsetMs)
    const process = new Process(this.id, env, ++this.#lives)
    this.process = process
    this.#world.trace.note(`boot ${this.id} life ${process.life}`)
    this.#open(process).catch((error: unknown) => this.#failed(process, 'start', error))
  }

  /** Orderly: hands over, saves, closes; comes back after `ms`. */
  restart(ms: number): void {
    const { process, wal } = this
    const multi = process?.multi
    if (process === undefined || multi === undefined || process.stopping) return
    process.stopping = true
    this.#world.trace.note(`restart ${this.id}`)
    process.broker?.close()
    multi
      .close()
      .then(() => wal?.close())
      .then(
        () => process === this.process && this.end('kill', ms),
        (error: unknown) => this.#failed(process, 'stop', error),
      )
  }

  /** The process is gone at once: with the power, or alone. Comes back after `ms`. */
  end(how: 'power' | 'kill', ms: number): void {
    const { process } = this
    if (process === undefined) return
    this.#world.trace.note(`end ${this.id} ${how}`)
    process.env.die()
    this.process = undefined
    if (how === 'power') {
      this.disk.powerCut()
      this.#stateDisk.cutPower()
    } else this.disk.kill()
    this.#world.network.down(this.id)
    this.#world.ended()
    this.#world.time.after(ms, () => this.boot())
  }

  /** The power goes, and with it the state of a group, while its log stays whole. */
  loseState(group: GroupId, amount: number, ms: number): void {
    this.end('power', ms)
    if (!damageState(this.#stateDisk, group, amount)) return
    this.#world.trace.note(`state lost ${this.id} ${group}`)
    this.stateLost.add(group)
  }

  async start(group: GroupId): Promise<void> {
    const { process } = this
    const spec = this.specs.get(group)
    if (process?.multi === undefined || spec === undefined) return
    const { checker, trace } = this.#world
    const createView = () => checkedView((index, place, what) => checker.command(group, index, place, what))
    await process.multi.start<TimerReply, TimerEffect, TimerView>(spec, createView)
    process.multi.setMembers(group, this.#world.everybody(group))
    const handle = this.handle(group)
    if (handle === undefined) return
    this.#noteConf(handle)
    const note = (index: number) => {
      trace.note(`applied ${this.id} ${group} ${index}`)
      this.#world.applied(this, handle, index)
    }
    handle.observe({
      status: () => undefined,
      applied: (_effects, _at, index) => note(index),
      reloaded: () => this.#noteConf(handle),
    })
    const replicas = spec.members
    process.broker?.attachGroup({ topic: 'orders', id: group, group, replicas }, handle)
  }

  /** Its replica of the group goes for good. */
  async remove(group: GroupId): Promise<void> {
    this.specs.delete(group)
    this.stateLost.delete(group)
    this.process?.broker?.detachGroup(group)
    await this.process?.multi?.remove(group)
  }

  /** What it knows from a checkpoint or a snapshot. */
  #noteConf(handle: SimHandle): void {
    const { applied, confState, needsSnapshot } = handle.inspect().status
    if (needsSnapshot) return
    // Replaced by a snapshot, or made anew from a log that is there from the first entry.
    this.stateLost.delete(handle.group)
    this.#world.confs.under(handle.group, applied, confState)
  }

  async #open(process: Process): Promise<void> {
    const { swarm, checker, network } = this.#world
    const { env } = process
    const { segmentBytes, retainBytes, reserveBytes, cacheBytes, stateMs, fsync = true } = swarm.disk
    const { wal, damage } = await openWal({
      ...{
        dir: 'data/wal',
        disk: this.disk.boot(env),
        env,
        segmentBytes,
        retainBytes,
        reserveBytes,
        cacheBytes,
        fsync,
      },
      onState: () => undefined,
      onFatal: (error) => this.#failed(process, 'log', error),
    })
    if (damage.length > 0) checker.fail('damage', `node ${this.id} finds ${JSON.stringify(damage)}`)
    this.#watch(wal)
    const slow = slowed(env, () => this.#random.next() * stateMs)
    const state = memoryStateStore(stateMs === 0 ? env : slow, this.#stateDisk)
    const multi = new MultiRaft({
      ...{ env, node: this.id, wal, damage, state, limits: swarm.limits, timing: { idleMs: swarm.idleMs ?? 0 } },
      transport: network.transport(this.id, env),
      onFatal: (error) => this.#failed(process, 'shard', error),
      onEvent: (event) => this.#replicationEvent(process, event),
    })
    process.broker = createBroker({
      ...{ env, config: this.#world.brokerConfig },
      directory: new SimDirectory(this.id, (group) => multi.handle(group)?.status().leaderNode ?? 0),
      onEvent: (event) => this.#brokerEvent(process, event),
    })
    process.multi = multi
    for (const group of this.specs.keys()) {
      // An orderly stop may come before everything has started, here as on a real node.
      if (process.stopping) return
      await this.start(group)
    }
    process.started = true
  }

  #watch(wal: Wal): void {
    const { checker, leaders, logs } = this.#world
    checker.reopened(this.id, wal, this.wal)
    for (const log of wal.groups()) logs.opens(this.id, log.group, log)
    const handed = new HandedLogs(wal)
    this.wal = wal
    this.handed = handed
    const append = wal.append.bind(wal)
    wal.append = (write, done) => {
      const { group } = write
      const status = this.handle(group)?.inspect().status
      if (status !== undefined) leaders.writes(write, status)
      logs.hands(this.id, write, (index) => handed.term(group, index), status?.commit ?? 0)
      handed.hand(write)
      append(write, () => {
        handed.durable(group)
        checker.durable(write)
        done()
        this.#world.look(this, group)
      })
    }
  }

  #replicationEvent(process: Process, event: ReplicationEvent): void {
    const { checker, confs, trace } = this.#world
    if (!process.env.alive) return
    trace.note(`event ${this.id} ${JSON.stringify(event)}`)
    if (event.type === 'role' && event.role === 'leader') {
      const replica: ReplicaId = this.specs.get(event.group)?.replica ?? 0
      checker.leads(event.group, event.term, { replica, life: process.life }, this.wal?.group(event.group))
      const applied = this.handle(event.group)?.inspect().status.applied
      if (applied !== undefined) confs.elected(event.group, applied)
    }
    const expected = event.type === 'stateDamaged' && this.stateLost.has(event.group)
    if (event.type === 'halted' || event.type === 'damaged' || (event.type === 'stateDamaged' && !expected)) {
      checker.fail(event.type, `node ${this.id}: ${JSON.stringify(event)}`)
    }
  }

  #brokerEvent(process: Process, event: BrokerEvent): void {
    if (!process.env.alive) return
    if (event.type === 'leaderGained') {
      const now = process.partition(event.partition)?.now()
      if (now !== undefined) this.#world.begins(this.id, now)
    }
    if (event.type === 'early' || event.type === 'readFailed') {
      const error = event.type === 'readFailed' ? describe(event.error) : ''
      this.#world.checker.fail(event.type, `node ${this.id}: ${JSON.stringify(event)} ${error}`)
    }
  }

  /** A process may fail for what its disk does, and for nothing else; the shard itself never. */
  #failed(process: Process, what: 'start' | 'stop' | 'log' | 'shard', error: unknown): void {
    if (process !== this.process || !process.env.alive) return
    this.#world.trace.note(`failed ${this.id} ${what}`)
    if (what === 'shard' || !this.disk.struck)
      this.#world.checker.fail('fatal', `node ${this.id} (${what}): ${describe(error)}`)
    // The disk may still be as it was: what ends is the process.
    this.end('kill', RESTART_MS)
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return `${error.stack}${error.cause === undefined ? '' : `\n  caused by ${describe(error.cause)}`}`
}
