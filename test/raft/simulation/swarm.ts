/** What one seed is about: its own subset of faults and its own sizes, because even mixes of everything hide most bugs. */
import { Random } from './random.ts'

export interface Swarm {
  readonly nodes: number
  readonly preVote: boolean
  readonly checkQuorum: boolean
  readonly entriesPerMessage: number
  readonly inflight: number
  /** 0: no such bound. */
  readonly inflightBytes: number
  readonly loss: number
  readonly duplicate: number
  readonly delayMs: number
  readonly diskMs: number
  readonly applyMs: number
  /** Mean time between two of a kind, ms; 0: never. */
  readonly crashEvery: number
  readonly partitionEvery: number
  readonly proposeEvery: number
  readonly readEvery: number
  readonly transferEvery: number
  readonly checkpointEvery: number
  readonly confChangeEvery: number
  readonly whimEvery: number
  readonly stallEvery: number
  /** Whether what a crashed node had applied may be lost, so that only its log is left. */
  readonly stateLoss: number
  /** Entries kept before a checkpoint; 0 makes every lagging follower need a snapshot. */
  readonly keep: number
}

type LaterDrawn = 'inflightBytes' | 'stallEvery'

/** By chances of their own: what older seeds draw of the rest stays. */
export function drawLater(seed: number): Pick<Swarm, LaterDrawn> {
  const stalls = new Random(seed ^ 0x2f)
  return {
    inflightBytes: new Random(seed ^ 0x1f).pick([0, 0, 30, 200]) ?? 0,
    stallEvery: stalls.chance(0.3) ? stalls.between(50, 900) : 0,
  }
}

export function drawSwarm(random: Random): Omit<Swarm, LaterDrawn> {
  const sometimes = (probability: number, value: () => number): number => (random.chance(probability) ? value() : 0)
  return {
    nodes: random.pick([1, 2, 3, 3, 3, 3, 5, 5, 5, 4]) ?? 3,
    preVote: random.chance(0.5),
    checkQuorum: random.chance(0.5),
    entriesPerMessage: random.pick([1, 1, 2, 8, 100]) ?? 1,
    inflight: random.pick([1, 2, 4, 64]) ?? 1,
    loss: sometimes(0.5, () => random.next() * 0.3),
    duplicate: sometimes(0.5, () => random.next() * 0.3),
    delayMs: random.pick([1, 5, 20, 60, 150]) ?? 1,
    diskMs: random.pick([0, 2, 10, 40, 120]) ?? 0,
    applyMs: random.pick([0, 0, 5, 50]) ?? 0,
    crashEvery: sometimes(0.6, () => random.between(150, 2000)),
    partitionEvery: sometimes(0.6, () => random.between(100, 1500)),
    proposeEvery: random.between(5, 60),
    readEvery: sometimes(0.5, () => random.between(10, 100)),
    transferEvery: sometimes(0.3, () => random.between(200, 1500)),
    checkpointEvery: sometimes(0.5, () => random.between(50, 600)),
    confChangeEvery: sometimes(0.35, () => random.between(150, 900)),
    whimEvery: sometimes(0.3, () => random.between(100, 900)),
    keep: random.pick([0, 3, 20]) ?? 0,
    stateLoss: sometimes(0.3, () => random.next()),
  }
}
