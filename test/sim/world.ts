/** A whole cluster with its clients in virtual time from one seed: machines, network, producers, consumers, and who checks them. */
import { CATALOG_GROUP, FIRST_FREE_ID, type GroupId, type NodeId, type ReplicaId } from '../../src/base/ids.ts'
import { ENTRY_BYTES_MAX, INFLIGHT_BYTES_MAX, PRODUCER_TTL_MS } from '../../src/base/limits.ts'
import type { BrokerConfig } from '../../src/broker/config.ts'
import type { Member } from '../../src/replication/group.ts'
import { DEFAULT_LIMITS } from '../../src/replication/options.ts'
import type { GroupLog } from '../../src/storage/wal/types.ts'
import { ConfChecker } from '../raft/simulation/conf-checker.ts'
import { CoreChecker, type Looker } from '../raft/simulation/core-checker.ts'
import { LeaderChecker } from '../raft/simulation/leader-checker.ts'
import { LogChecker } from '../raft/simulation/log-checker.ts'
import { Random } from '../raft/simulation/random.ts'
import { afterPromises, VirtualTime } from '../virtual-env.ts'
import { Books } from './books.ts'
import type { ClientWorld, Server } from './clients.ts'
import { SimConsumer } from './consumer.ts'
import { NEAR_MS } from './faults.ts'
import { Machine, type MachineWorld, type SimHandle } from './machine.ts'
import { Moves } from './moves.ts'
import { SimNetwork } from './network.ts'
import { SimProducer } from './producer.ts'
import { RaftChecker } from './raft-checker.ts'
import type { ClientSwarm, Swarm } from './swarm.ts'
import { Trace } from './trace.ts'

const REATTACH_MS = 5000
const MAX_CLOCK_SKEW_MS = 2000
/** Wall clocks and leaders' time count in whole milliseconds; two leaders may differ by what two clocks differ. */
const EARLY_MS_MAX = { true: 2, near: 2 * NEAR_MS + 2, wild: Number.POSITIVE_INFINITY } as const
const LEASES_LOST: ReadonlySet<string> = new Set(['twoHolders', 'leaseLost'])
const SEQUENCES_LOST: ReadonlySet<string> = new Set(['forgotten', 'storedTwice', 'twoPositions', 'moved'])
/** How often a client asks the node that really leads. */
const GOOD_GUESS = 0.8

export class World implements MachineWorld, ClientWorld {
  readonly time: VirtualTime
  readonly random: Random
  readonly trace: Trace
  readonly checker: RaftChecker
  readonly leaders: LeaderChecker
  readonly logs: LogChecker
  readonly confs: ConfChecker
  readonly #cores: CoreChecker
  readonly network: SimNetwork
  readonly books: Books
  readonly moves: Moves
  readonly machines: readonly Machine[]
  readonly partitions: readonly GroupId[]
  readonly brokerConfig: BrokerConfig
  readonly producers: SimProducer[] = []
  readonly consumers: SimConsumer[] = []
  readonly swarm: Swarm
  calm = false
  /** How late the latest leader began, ms: the next one's time may step by so much (docs/decisions/007). */
  #lateMs = 0

  constructor(seed: number, swarm: Swarm, print: boolean) {
    const root = new Random(seed ^ 0x5eed)
    this.swarm = swarm
    this.random = root.split()
    this.time = new VirtualTime(seed, undefined, afterPromises)
    this.trace = new Trace(() => this.time.nowMs, print)
    this.checker = new RaftChecker(({ kind }) => this.trace.note(`VIOLATION ${kind}`))
    const fail = (kind: string, text: string) => this.fail(kind, text)
    const limits = { ...DEFAULT_LIMITS, ...swarm.limits }
    this.leaders = new LeaderChecker(fail, limits.uncommittedBytes)
    this.logs = new LogChecker(fail)
    this.confs = new ConfChecker(fail)
    this.#cores = new CoreChecker(fail, {
      inflightAppends: limits.inflightAppends,
      inflightBytes: INFLIGHT_BYTES_MAX,
      messageBytes: Math.max(limits.appendBytes, ENTRY_BYTES_MAX),
    })
    this.books = new Books({ fail, now: () => this.time.nowMs, earlyMsMax: EARLY_MS_MAX[swarm.clocks] })
    this.network = new SimNetwork({
      ...{ time: this.time, random: root.split(), swarm: swarm.network, trace: this.trace },
      onSend: (from, frame) => this.#sent(from, frame),
      onReceived: (by) => this.#lookAt(by),
      onThrow: (error) => this.fail('frame', String(error)),
    })
    this.brokerConfig = { leaseMs: swarm.clients.leaseMs, reattachMs: REATTACH_MS, maxClockSkewMs: MAX_CLOCK_SKEW_MS }
    this.machines = Array.from({ length: swarm.nodes }, (_, at) => new Machine(this, at + 1, root.split()))
    this.partitions = Array.from({ length: swarm.partitions }, (_, at) => FIRST_FREE_ID + at)
    this.moves = new Moves(this, this.#place())
  }

  get habits(): ClientSwarm {
    return this.swarm.clients
  }

  start(): void {
    for (const machine of this.machines) machine.boot()
    for (const partition of this.partitions) this.#startClients(partition)
  }

  fail(kind: string, text: string): void {
    if (this.#lateMs > MAX_CLOCK_SKEW_MS && LEASES_LOST.has(kind)) return
    if (this.#lateMs > PRODUCER_TTL_MS && SEQUENCES_LOST.has(kind)) return
    this.checker.fail(kind, text)
  }

  /** Of the highest term among those who say that they lead. */
  leader(group: GroupId): Machine | undefined {
    let best: { machine: Machine; term: number } | undefined
    for (const machine of this.machines) {
      const status = machine.handle(group)?.status()
      if (status?.ready !== true || (best !== undefined && best.term >= status.term)) continue
      best = { machine, term: status.term }
    }
    return best?.machine
  }

  get clocksRunWild(): boolean {
    return this.swarm.clocks === 'wild'
  }

  guessLeader(group: GroupId): Server | undefined {
    const leader = this.leader(group)?.process
    if (leader !== undefined && (this.calm || this.random.chance(GOOD_GUESS))) return leader
    return this.random.pick(this.machines.flatMap(({ process }) => process ?? []))
  }

  everybody(group: GroupId): readonly Member[] {
    return this.moves.everybody(group)
  }

  applied(machine: Machine, handle: SimHandle, index: number): void {
    const { group } = handle
    const { status } = handle.inspect()
    this.confs.under(group, index, status.confState)
    this.checker.applied(group, index, status.term, machine.wal?.group(group))
    this.look(machine, group)
  }

  /** Looks into a core, as often as anything may have changed in it. */
  look(machine: Machine, group: GroupId): void {
    const { process } = machine
    const core = machine.handle(group)?.inspect()
    if (core === undefined || process === undefined) return
    let looker = process.lookers.get(group)
    if (looker === undefined) {
      looker = this.#looker(machine, group, process.life)
      process.lookers.set(group, looker)
    }
    this.#cores.look(looker, core)
  }

  #looker(machine: Machine, group: GroupId, life: number): Looker {
    return {
      ...{ group, life },
      termAt: (index) => machine.handed?.term(group, index),
      logOf: (replica) => this.#logOf(group, replica),
      isGone: (replica) => (this.#machineOf(group, replica)?.wal?.tombstone(group) ?? 0) >= replica,
    }
  }

  #lookAt(node: NodeId): void {
    const machine = this.machines[node - 1]
    if (machine !== undefined) for (const group of this.partitions) this.look(machine, group)
  }

  #machineOf(group: GroupId, replica: ReplicaId): Machine | undefined {
    const node = this.everybody(group).find((member) => member.replica === replica)?.node
    return this.machines[(node ?? 0) - 1]
  }

  #logOf(group: GroupId, replica: ReplicaId): GroupLog | undefined {
    const log = this.#machineOf(group, replica)?.wal?.group(group)
    return log?.replica === replica ? log : undefined
  }

  /** Leaders' time against true time: never further ahead than the skew allowed, behind only with a clock that is far behind. */
  begins(id: NodeId, now: number): void {
    const offMs = now - this.time.startMs - this.time.nowMs
    this.trace.note(`begins ${id} ${offMs}`)
    if (offMs > MAX_CLOCK_SKEW_MS) this.fail('leaderAhead', `a leader on ${id} begins ${offMs} ms ahead`)
    if (offMs >= -MAX_CLOCK_SKEW_MS - 1) return
    if (this.swarm.clocks === 'wild') this.#lateMs = Math.max(this.#lateMs, -offMs)
    else this.fail('leaderLate', `a leader on ${id} begins ${-offMs} ms late`)
  }

  ended(): void {
    for (const consumer of this.consumers) consumer.serverEnded()
  }

  #sent(from: number, frame: Uint8Array): void {
    const wal = this.machines[from - 1]?.wal
    if (wal !== undefined) this.checker.sent(from, frame, wal)
    this.#lookAt(from)
  }

  /** Partition by partition onto the next nodes; replica ids name partition and node. */
  #place(): Map<GroupId, readonly Member[]> {
    const { nodes, replicas } = this.swarm
    const placed = new Map<GroupId, readonly Member[]>()
    for (const [at, group] of this.partitions.entries()) {
      const members = Array.from({ length: replicas }, (_, i) => ((at + i) % nodes) + 1)
        .sort((a, b) => a - b)
        .map((node) => ({ node, replica: FIRST_FREE_ID + CATALOG_GROUP + group * 10 + node }))
      placed.set(group, members)
      for (const { node, replica } of members) this.machines[node - 1]?.specs.set(group, { group, replica, members })
    }
    return placed
  }

  #startClients(partition: GroupId): void {
    const { groups, consumersPerGroup, clients } = this.swarm
    for (let i = 0; i < clients.producers; i++) {
      // The last of several goes without a sequence.
      const plain = i > 0 && i === clients.producers - 1
      this.producers.push(new SimProducer(this, partition, `${plain ? 'q' : 'p'}${i}`, !plain))
    }
    for (const group of groups) {
      for (let i = 0; i < consumersPerGroup; i++) {
        const consumer: SimConsumer = new SimConsumer(this, { partition, group, name: `${group}${i}` }, () =>
          this.consumers.filter(
            (other) => other !== consumer && other.partition === partition && other.group === group,
          ),
        )
        this.consumers.push(consumer)
      }
    }
  }
}
