/**
 * The faults of one run as a list that is drawn before it begins: what a seed does, what `--replay` reads, and what
 * shrinking takes away from. All of one shape; each kind reads what it needs.
 */
import type { Random } from '../raft/simulation/random.ts'
import type { Swarm } from './swarm.ts'

export const FAULT_TYPES = [
  // The power of one node, of a leader, of all goes; or only the process dies.
  'powerCut',
  'powerCutLeader',
  'powerCutAll',
  'kill',
  // An orderly stop and start.
  'restart',
  'pause',
  // Links: two sides, one direction only, two sides with one node between, one node alone, everything slow.
  'partition',
  'oneWay',
  'bridge',
  'isolate',
  'slow',
  // The disk: nothing moves, a sync or a write fails, a write falls short, no room.
  'stuckDisk',
  'failSync',
  'failWrite',
  'shortWrite',
  'diskFull',
  'clock',
  'transfer',
  // A replica moves to another node.
  'move',
  // Consumers: their stream breaks, they stop working for a while, leave in order, die.
  'breakStream',
  'stall',
  'leave',
  'die',
  // The power of a node goes, and what it had applied of a group is damaged or gone; its log is whole.
  'loseState',
  // A busy machine: again and again the process stands still for a while, runs for a moment, and finds what came meanwhile.
  'load',
] as const

export type FaultType = (typeof FAULT_TYPES)[number]

export interface FaultEvent {
  readonly atMs: number
  readonly type: FaultType
  /** From 1. */
  readonly node: number
  /** From 0. */
  readonly partition: number
  /** How long it lasts. */
  readonly ms: number
  /** In [0, 1): sides of a partition, which consumer, how far a clock is off. */
  readonly amount: number
}

export function drawFaultEvents(random: Random, swarm: Swarm): FaultEvent[] {
  const events: FaultEvent[] = []
  for (const type of FAULT_TYPES) {
    // Each kind has its own chance, so that taking one kind away leaves the others as they were.
    const own = random.split()
    const every = swarm.every[type]
    if (every === 0) continue
    for (let atMs = own.between(1, 2 * every); atMs < swarm.faultMs; atMs += own.between(1, 2 * every)) {
      events.push({
        atMs,
        type,
        node: own.between(1, swarm.nodes),
        partition: own.below(swarm.partitions),
        ms: own.pick([50, 400, 1500, 4000]) ?? 400,
        amount: own.next(),
      })
    }
  }
  return events.sort((a, b) => a.atMs - b.atMs)
}
