/**
 * Which replicas of this node sleep, and with whom (docs/decisions/009-quiescence.md). Nobody ticks a sleeper; in its
 * place the nodes watch each other: a node says in every pulse how many groups it leads asleep with the other, and how
 * many it follows asleep, with a sum over them. Silence of nodes wakes whoever would have noticed it by himself, and sums
 * that keep differing wake all that sleeps between two nodes.
 */
import type { GroupId, NodeId } from '../base/ids.ts'
import type { Pulse, Tally } from './frame/frame.ts'

/** What this needs of a replica. */
export interface Sleeper {
  readonly group: GroupId
  /** As it is now. */
  sleeps(): Sleep | undefined
  wake(): void
}

export type Sleep = LeaderSleep | FollowerSleep

interface LeaderSleep {
  readonly leads: true
  readonly term: number
  /** Of the other members. */
  readonly nodes: readonly NodeId[]
  /** Of those that vote, and how many of them it can do without. */
  readonly voters: readonly NodeId[]
  readonly spare: number
}

interface FollowerSleep {
  readonly leads: false
  readonly term: number
  /** The leader's. */
  readonly nodes: readonly NodeId[]
  /** Its randomized election timeout: so that not all at once doubt a node that was silent for a moment. */
  readonly patienceTicks: number
}

export interface SlumberOptions {
  /** Ticks without a frame after which a node counts as silent. */
  readonly silentTicks: number
  /** Ticks between two pulses. */
  readonly pulseTicks: number
  readonly outbox: { pulse(node: NodeId, pulse: Pulse): void }
}

/** How many silences long the same difference must last to be believed: what is on its way makes pulses differ for a moment. */
const SAME_SILENCES = 2
/** And how long while it keeps changing, because groups fall asleep and wake all the time. */
const ODD_SILENCES = 50

class Peer<S extends Sleeper> {
  silentTicks = 0
  /** Pulses in a row that differed, and that differed in the same way. */
  oddPulses = 0
  samePulses = 0
  /** What differed last. */
  oddSums = ''
  readonly sleepers = new Set<S>()
  /** Led here. */
  readonly led = { count: 0, sum: 0 }
  /** Led there. */
  readonly followed = { count: 0, sum: 0 }
}

export class Slumber<S extends Sleeper> {
  readonly #options: SlumberOptions
  readonly #awake = new Set<S>()
  readonly #asleep = new Map<S, Sleep>()
  readonly #peers = new Map<NodeId, Peer<S>>()
  /** Since the last pulse. */
  #ticks = 0

  constructor(options: SlumberOptions) {
    this.#options = options
  }

  /** To be ticked. */
  get awake(): ReadonlySet<S> {
    return this.#awake
  }

  get asleep(): ReadonlyMap<S, Sleep> {
    return this.#asleep
  }

  get ticksToPulse(): number {
    return this.#options.pulseTicks - this.#ticks
  }

  /** A replica started, fell asleep or woke up. */
  turned(replica: S): void {
    this.forget(replica)
    const sleep = replica.sleeps()
    if (sleep === undefined) {
      this.#awake.add(replica)
      return
    }
    this.#asleep.set(replica, sleep)
    for (const node of sleep.nodes) {
      const peer = this.#peer(node)
      peer.sleepers.add(replica)
      count(sleep.leads ? peer.led : peer.followed, replica.group, sleep.term, 1)
    }
  }

  /** The replica is gone. */
  forget(replica: S): void {
    this.#awake.delete(replica)
    const sleep = this.#asleep.get(replica)
    if (sleep === undefined) return
    this.#asleep.delete(replica)
    for (const node of sleep.nodes) {
      const peer = this.#peer(node)
      peer.sleepers.delete(replica)
      count(sleep.leads ? peer.led : peer.followed, replica.group, sleep.term, -1)
    }
  }

  /** Groups here have members there: they hear from each other from now on. */
  meet(nodes: Iterable<NodeId>): void {
    for (const node of nodes) this.#peer(node)
  }

  /** Of all groups here these are the other nodes: whoever else was met, and nobody sleeps with, is told nothing more. */
  keepTo(nodes: ReadonlySet<NodeId>): void {
    this.meet(nodes)
    for (const [node, { sleepers }] of this.#peers)
      if (!nodes.has(node) && sleepers.size === 0) this.#peers.delete(node)
  }

  /** So many ticks have passed: nodes that have been silent for too long wake those who rely on them; signs of life go out. */
  tick(ticks: number): void {
    const { silentTicks, pulseTicks, outbox } = this.#options
    this.#ticks += ticks
    const due = this.#ticks >= pulseTicks
    if (due) this.#ticks = 0
    for (const [node, peer] of this.#peers) {
      peer.silentTicks += ticks
      if (peer.silentTicks >= silentTicks) this.#doubt(node, peer)
      if (due) outbox.pulse(node, peer)
    }
  }

  /**
   * So many passed in which this process did not run: it makes nobody silent who was not. A node that has said nothing for long
   * is granted the time between two of its signs of life.
   */
  missTicks(ticks: number): void {
    const latest = this.#options.silentTicks - this.#options.pulseTicks
    for (const peer of this.#peers.values()) {
      peer.silentTicks = Math.max(peer.silentTicks, Math.min(peer.silentTicks + ticks, latest))
    }
  }

  /** A frame came from the node. */
  heard(node: NodeId, pulse: Pulse | undefined): void {
    const peer = this.#peer(node)
    peer.silentTicks = 0
    if (pulse !== undefined) this.#compare(peer, pulse)
  }

  /** How long the node has been silent; 0 for one that was never looked at. */
  silentTicks(node: NodeId): number {
    return this.#peers.get(node)?.silentTicks ?? 0
  }

  /** The node is silent: followers lose patience one by one, leaders wake once they may lack a majority. */
  #doubt(node: NodeId, { sleepers, silentTicks }: Peer<S>): void {
    for (const sleeper of sleepers) {
      const sleep = this.#asleep.get(sleeper)
      if (sleep === undefined) continue
      if (sleep.leads ? this.#lacksMajority(sleep, node) : silentTicks >= sleep.patienceTicks) sleeper.wake()
    }
  }

  #lacksMajority({ voters, spare }: LeaderSleep, node: NodeId): boolean {
    if (!voters.includes(node)) return false
    return voters.filter((voter) => this.silentTicks(voter) >= this.#options.silentTicks).length > spare
  }

  /** What the other node leads asleep must be what sleeps here under it, and the other way round. */
  #compare(peer: Peer<S>, { led, followed }: Pulse): void {
    const { silentTicks, pulseTicks } = this.#options
    const agree = equal(led, peer.followed) && equal(followed, peer.led)
    const sums = agree ? '' : [led, followed, peer.led, peer.followed].map(({ sum }) => sum).join()
    peer.oddPulses = agree ? 0 : peer.oddPulses + 1
    peer.samePulses = agree || sums !== peer.oddSums ? 0 : peer.samePulses + 1
    peer.oddSums = sums
    const ticks = Math.max(peer.samePulses / SAME_SILENCES, peer.oddPulses / ODD_SILENCES) * pulseTicks
    if (ticks < silentTicks) return
    peer.oddPulses = 0
    peer.samePulses = 0
    wakeAll(peer)
  }

  #peer(node: NodeId): Peer<S> {
    let peer = this.#peers.get(node)
    if (peer === undefined) {
      peer = new Peer<S>()
      this.#peers.set(node, peer)
    }
    return peer
  }
}

/** They leave the set at the end of the turn, when what waking made of them is seen. */
function wakeAll({ sleepers }: Peer<Sleeper>): void {
  for (const sleeper of sleepers) sleeper.wake()
}

/** A sum that does not depend on the order, of numbers that say little about each other. */
function count(tally: { count: number; sum: number }, group: GroupId, term: number, by: 1 | -1): void {
  tally.count += by
  tally.sum = (tally.sum + by * mix(mix(group) ^ term)) >>> 0
}

/** The finalizer of MurmurHash3: every bit of the lower 32 depends on every other. */
function mix(value: number): number {
  let x = value >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}

function equal(a: Tally, b: Tally): boolean {
  return a.count === b.count && a.sum === b.sum
}
