/** What one seed is about: its own sizes and its own subset of faults, because even mixes of everything hide most bugs. */
import type { ReplicationLimits } from '../../src/replication/options.ts'
import type { Random } from '../raft/simulation/random.ts'
import { FAULT_TYPES, type FaultType } from './fault-events.ts'

export interface Swarm {
  readonly nodes: number
  /** Replicas of each partition. */
  readonly replicas: number
  readonly partitions: number
  /** Names of consumer groups on every partition. */
  readonly groups: readonly string[]
  readonly consumersPerGroup: number
  /** Faults happen for so long. */
  readonly faultMs: number
  readonly network: NetworkSwarm
  readonly disk: DiskSwarm
  readonly limits: Partial<ReplicationLimits>
  /** After so long without a request a group sleeps, ms; 0: never. Streams ask every 500 ms. */
  readonly idleMs?: number
  readonly clients: ClientSwarm
  /** near: within what a node may be off. wild: far beyond, one node at a time. */
  readonly clocks: 'true' | 'near' | 'wild'
  /** Mean time between two faults of a kind, ms; 0: never. */
  readonly every: Readonly<Record<FaultType, number>>
}

export interface NetworkSwarm {
  readonly delayMs: number
  readonly jitterMs: number
  readonly loss: number
  readonly duplicate: number
  readonly reorder: number
  /** How often the death of a process is noticed at once by its peers. */
  readonly noticed: number
}

export interface DiskSwarm {
  readonly writeMs: number
  readonly syncMs: number
  /** A batch of the state database. */
  readonly stateMs: number
  readonly segmentBytes: number
  readonly retainBytes: number
  readonly reserveBytes: number
  readonly cacheBytes: number
  /** false: the log is not synced, which a run with power cuts must notice. */
  readonly fsync?: boolean
}

export interface ClientSwarm {
  readonly producers: number
  readonly produceEveryMs: number
  readonly bodyBytes: number
  readonly delayedShare: number
  readonly delayMaxMs: number
  /** Requests and answers lost on the way, per message. */
  readonly loss: number
  readonly delayMs: number
  readonly leaseMs: number
  readonly credit: number
  readonly workMs: number
  readonly nackShare: number
  readonly extendShare: number
  /** Neither acknowledged nor given back: the lease runs out. */
  readonly forgetShare: number
}

export interface SwarmOptions {
  readonly nodes?: number
}

export function drawSwarm(random: Random, options: SwarmOptions = {}): Swarm {
  const clocks = random.pick(['true', 'true', 'near', 'wild'] as const) ?? 'true'
  const nodes = options.nodes ?? random.pick([3, 3, 3, 5]) ?? 3
  const partitions = random.pick([1, 1, 2, 3]) ?? 1
  return {
    nodes,
    replicas: nodes === 5 ? (random.pick([3, 3, 5]) ?? 3) : nodes,
    partitions,
    groups: random.chance(0.3) ? ['g', 'h'] : ['g'],
    consumersPerGroup: random.between(1, 3),
    faultMs: random.between(3000, 9000),
    network: drawNetwork(random),
    disk: drawDisk(random),
    limits: drawLimits(random),
    clients: drawClients(random, partitions),
    clocks,
    every: drawFaults(random, clocks),
    idleMs: random.pick([0, 0, 50, 100, 300, 2000]) ?? 0,
  }
}

/** A value with a probability, else 0. */
function sometimes(random: Random, probability: number, value: () => number): number {
  return random.chance(probability) ? value() : 0
}

function drawNetwork(random: Random): NetworkSwarm {
  return {
    delayMs: random.pick([0, 1, 1, 5, 20]) ?? 1,
    jitterMs: random.pick([0, 1, 5, 40]) ?? 1,
    loss: sometimes(random, 0.4, () => random.next() * 0.2),
    duplicate: sometimes(random, 0.4, () => random.next() * 0.2),
    reorder: sometimes(random, 0.4, () => random.next() * 0.3),
    noticed: random.pick([0, 0.5, 1]) ?? 0,
  }
}

function drawDisk(random: Random): DiskSwarm {
  const segmentBytes = random.pick([8192, 16_384, 65_536]) ?? 16_384
  return {
    writeMs: random.pick([0, 0, 1, 5]) ?? 0,
    syncMs: random.pick([0, 1, 5, 20]) ?? 1,
    stateMs: random.pick([0, 0, 3, 30]) ?? 0,
    segmentBytes,
    retainBytes: random.pick([0, segmentBytes, 4 * segmentBytes]) ?? segmentBytes,
    reserveBytes: random.pick([0, 0, 4096]) ?? 0,
    cacheBytes: random.pick([0, 2000, 1_000_000]) ?? 0,
  }
}

function drawLimits(random: Random): Partial<ReplicationLimits> {
  // Layers count whole slabs of 64 KiB: the smallest bound means a checkpoint after every entry.
  const checkpointBytes = random.pick([2000, 66_000, 140_000, 1_000_000]) ?? 66_000
  return {
    checkpointBytes,
    layerBytesMax: checkpointBytes + (random.pick([1000, 70_000, 300_000]) ?? 70_000),
    checkpointLogBytes: random.pick([1000, 8000, 64_000]) ?? 8000,
    walRetainBytes: random.pick([0, 2000, 30_000]) ?? 2000,
    uncommittedBytes: random.pick([2000, 20_000, 1_000_000]) ?? 20_000,
    walPendingBytes: random.pick([4000, 1_000_000]) ?? 1_000_000,
    snapshotChunkBytes: random.pick([300, 2000, 100_000]) ?? 2000,
    snapshotBytesPerSecond: random.pick([20_000, 1_000_000]) ?? 1_000_000,
    // 1: every entry travels alone.
    appendBytes: random.pick([1, 1, 500, 200_000]) ?? 200_000,
    inflightAppends: random.pick([1, 2, 64]) ?? 64,
  }
}

function drawClients(random: Random, partitions: number): ClientSwarm {
  return {
    producers: random.between(1, 3),
    // Many short runs find more than few long ones: the load is shared out over the partitions.
    produceEveryMs: (random.pick([25, 60, 60, 200]) ?? 60) * partitions,
    bodyBytes: random.pick([20, 200, 1000]) ?? 200,
    delayedShare: random.pick([0, 0.5, 1]) ?? 0.5,
    delayMaxMs: random.pick([100, 1000, 4000]) ?? 1000,
    loss: sometimes(random, 0.4, () => random.next() * 0.1),
    delayMs: random.pick([0, 1, 10]) ?? 1,
    leaseMs: random.pick([1000, 3000, 8000]) ?? 3000,
    credit: random.pick([1, 10, 100]) ?? 10,
    workMs: random.pick([0, 20, 200]) ?? 20,
    nackShare: sometimes(random, 0.4, () => random.next() * 0.3),
    extendShare: sometimes(random, 0.3, () => random.next() * 0.3),
    forgetShare: sometimes(random, 0.3, () => random.next() * 0.2),
  }
}

/** In the order in which the kinds came to be, so that a new one leaves what older seeds draw of the others as it was. */
function drawFaults(random: Random, clocks: Swarm['clocks']): Record<FaultType, number> {
  const draw = () => sometimes(random, 0.25, () => random.between(500, 5000))
  const first = FAULT_TYPES.filter((type) => type !== 'loseState' && type !== 'load')
  const every = Object.fromEntries(first.map((type) => [type, draw()]))
  const clock = clocks === 'true' ? 0 : random.between(500, 3000)
  return { ...(every as Record<FaultType, number>), clock, loseState: draw(), load: draw() }
}
