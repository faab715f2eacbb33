/**
 * One node of a simulated cluster: a host around the core with a slow disk and a slow state machine. A crash keeps a
 * prefix of the writes under way and everything that was finished.
 */
import type { ConfState, Entry, SnapshotMeta } from '../../../src/base/log-entry.ts'
import { decodeConfChange } from '../../../src/raft/conf-change.ts'
import { RaftGroup } from '../../../src/raft/raft.ts'
import type { Message, Ready } from '../../../src/raft/types.ts'
import { text } from '../harness/entries.ts'
import { MemoryLog, NOBODY } from '../harness/memory-log.ts'
import { type Checker, Violation } from './checker.ts'
import type { Looker } from './core-checker.ts'
import type { Random } from './random.ts'
import type { Swarm } from './swarm.ts'
import type { Timeline } from './timeline.ts'

/** Of a short entry, as the core counts. */
export const ENTRY_BYTES = 24
/** Of the longest one, a change of membership. */
export const ENTRY_BYTES_MAX = 60
export const UNCOMMITTED_BYTES = 2000
/** There is one. */
const GROUP = 1

export interface World {
  readonly timeline: Timeline
  readonly checker: Checker
  readonly swarm: Swarm
  readonly random: Random
  readonly logs: ReadonlyMap<number, MemoryLog>
  transmit(message: Message): void
  /** How long the next write takes. */
  diskMs(): number
}

export class SimNode {
  readonly id: number
  readonly log = new MemoryLog()
  raft: RaftGroup | undefined
  applied = 0
  conf: ConfState
  /** Its applied state is gone, though the log is whole; until a snapshot is installed. */
  stateLost = false
  /** Counts lives; what belongs to an earlier one does nothing. */
  life = 0
  readonly #world: World
  #checkpoint: SnapshotMeta
  #writing: Ready[] = []
  #flushing = false
  #toApply: Entry[] = []
  #applyScheduled = false
  /** Stands still: what came meanwhile, and ticks it missed. */
  #stall: { readonly backlog: (() => void)[]; missed: number } | undefined
  #reads = new Map<number, number>()
  #proposed = new Map<string, string>()
  #looker: Looker | undefined

  constructor(id: number, world: World, base: SnapshotMeta) {
    this.id = id
    this.#world = world
    this.#checkpoint = base
    this.conf = base.confState
    this.log.base = base
    this.log.hard = { term: base.term, vote: 0, commit: base.index }
  }

  start(): void {
    const { swarm, random } = this.#world
    this.life++
    this.applied = this.stateLost ? this.log.base.index : this.#checkpoint.index
    this.conf = this.stateLost ? NOBODY : this.#checkpoint.confState
    if (this.log.hard.commit > this.log.lastIndex()) {
      throw new Violation(`${this.id} starts with commit ${this.log.hard.commit} and log up to ${this.log.lastIndex()}`)
    }
    const { checker } = this.#world
    checker.logs.opens(this.id, GROUP, this.log)
    checker.hardStates.reopened({ group: GROUP, replica: this.id }, this.log.hard)
    if (this.conf !== NOBODY) checker.confs.under(GROUP, this.applied, this.conf)
    this.raft = new RaftGroup({
      id: this.id,
      storage: this.log,
      hard: this.log.hard,
      confState: this.conf,
      applied: this.applied,
      needsSnapshot: this.stateLost,
      electionTicks: 10,
      heartbeatTicks: 2,
      preVote: swarm.preVote,
      checkQuorum: swarm.checkQuorum,
      stepDownOnRemoval: true,
      maxBytesPerMessage: swarm.entriesPerMessage * ENTRY_BYTES,
      maxInflightMessages: swarm.inflight,
      maxInflightBytes: swarm.inflightBytes,
      maxUncommittedBytes: UNCOMMITTED_BYTES,
      maxCommittedBytesPerReady: 500,
      random: (bound) => random.below(bound),
    })
    this.pump()
  }

  /** Power is cut: of the writes under way a prefix arrives. */
  crash(): void {
    const kept = this.#world.random.between(0, this.#writing.length)
    for (const ready of this.#writing.slice(0, kept)) this.#write(ready)
    this.#writing = []
    this.#toApply = []
    this.#flushing = false
    this.#applyScheduled = false
    this.#reads.clear()
    this.#proposed.clear()
    this.#stall = undefined
    this.raft = undefined
    this.life++
  }

  get stalled(): boolean {
    return this.#stall !== undefined
  }

  /** The process stands still, as a starved or stopped one does; its disk goes on. */
  stall(): void {
    if (this.raft !== undefined) this.#stall ??= { backlog: [], missed: 0 }
  }

  /** Time first, then what came, then the tick that is due. */
  goOn(): void {
    const stall = this.#stall
    if (stall === undefined) return
    this.#stall = undefined
    if (stall.missed > 0) this.raft?.missTicks(stall.missed)
    for (const run of stall.backlog) run()
    this.tick()
  }

  propose(data: string): void {
    const proposed = this.raft?.propose([new TextEncoder().encode(data)])
    if (proposed !== undefined && !('refused' in proposed)) {
      this.#proposed.set(`${proposed.index}/${proposed.term}`, data)
    }
    this.pump()
  }

  read(context: number): void {
    this.#reads.set(context, this.#world.checker.committed)
    this.raft?.readIndex(context)
    this.pump()
  }

  receive(message: Message): void {
    this.#whenRunning(() => {
      this.raft?.step(message)
      this.pump()
    })
  }

  tick(): void {
    if (this.#stall !== undefined) {
      this.#stall.missed++
      return
    }
    this.raft?.tick()
    this.pump()
  }

  /** Everything applied is durable without the log, which may then be cut. */
  checkpoint(keep: number): void {
    const term = this.log.term(this.applied)
    if (this.raft === undefined || this.stateLost || term === undefined || this.applied <= this.#checkpoint.index)
      return
    this.#checkpoint = { index: this.applied, term, confState: this.conf }
    const cut = this.applied - keep
    const cutTerm = this.log.term(cut)
    if (cut > this.log.base.index && cutTerm !== undefined) {
      this.log.compact(keep === 0 ? this.#checkpoint : { index: cut, term: cutTerm, confState: this.conf })
    }
  }

  pump(): void {
    const { checker } = this.#world
    while (this.raft?.hasReady()) {
      const ready = this.raft.ready()
      this.#checkRole()
      const status = this.raft.status()
      const write = { group: GROUP, replica: this.id, entries: ready.entries }
      checker.leaders.writes(write, status)
      checker.logs.hands(this.id, write, this.#termBefore(ready), status.commit)
      for (const { context, index } of ready.readStates) this.#checkRead(context, index)
      for (const message of ready.messages) this.#send(message)
      this.#writing.push(ready)
      this.#toApply.push(...ready.committed)
    }
    this.#look()
    this.#schedule()
  }

  #checkRole(): void {
    const status = this.raft?.status()
    if (status?.role !== 'leader') return
    const { checker } = this.#world
    if (!checker.leads(this.id, status.term, (index) => this.#termAnywhere(index))) return
    checker.confs.elected(GROUP, status.applied)
  }

  /** Term of an entry on disk or on its way there. */
  #termAnywhere(index: number): number | undefined {
    for (let at = this.#writing.length - 1; at >= 0; at--) {
      const first = this.#writing[at]?.entries[0]
      if (first !== undefined && index >= first.index) {
        const found = this.#writing[at]?.entries[index - first.index]
        if (found !== undefined) return found.term
      }
      const snapshot = this.#writing[at]?.snapshot
      if (snapshot !== undefined && index <= snapshot.index) return index === snapshot.index ? snapshot.term : undefined
    }
    return this.log.term(index)
  }

  /** Terms of its log before the entries of a Ready that is not under way yet. */
  #termBefore({ snapshot }: Ready): (index: number) => number | undefined {
    return (index) => (snapshot !== undefined && snapshot.index === index ? snapshot.term : this.#termAnywhere(index))
  }

  #look(): void {
    if (this.raft === undefined) return
    const { life } = this
    if (this.#looker?.life !== life) {
      const { logs } = this.#world
      this.#looker = {
        ...{ group: GROUP, life },
        termAt: (index) => this.#termAnywhere(index),
        logOf: (replica) => logs.get(replica),
        // A removed replica keeps its log.
        isGone: () => false,
      }
    }
    this.#world.checker.look(this.#looker, { status: this.raft.status(), progress: this.raft.progress() })
  }

  #checkRead(context: number, index: number): void {
    const atLeast = this.#reads.get(context)
    // Answers to a request of an earlier life are not awaited by anybody.
    if (atLeast !== undefined && index < atLeast) {
      throw new Violation(`a read at ${this.id} sees ${index} though ${atLeast} was committed before`)
    }
    this.#reads.delete(context)
  }

  #schedule(): void {
    const { timeline, random, swarm } = this.#world
    const { life } = this
    if (this.#writing.length > 0 && !this.#flushing) {
      this.#flushing = true
      timeline.after(this.#world.diskMs(), () => this.#whenRunning(() => this.life === life && this.#flush()))
    }
    if (this.#toApply.length > 0 && !this.#applyScheduled) {
      this.#applyScheduled = true
      timeline.after(random.between(0, swarm.applyMs), () =>
        this.#whenRunning(() => this.life === life && this.#apply()),
      )
    }
  }

  #whenRunning(run: () => void): void {
    if (this.#stall === undefined) run()
    else this.#stall.backlog.push(run)
  }

  #flush(): void {
    this.#flushing = false
    const batch = this.#writing.splice(0, this.#world.random.between(1, this.#writing.length))
    for (const ready of batch) this.#write(ready)
    const last = batch.at(-1)
    if (last !== undefined) this.raft?.persisted(last.token)
    for (const ready of batch) for (const message of ready.afterPersist) this.#send(message)
    this.pump()
  }

  #write(ready: Ready): void {
    this.log.write(ready)
    const { hard } = ready
    if (hard !== undefined) this.#world.checker.hardStates.durable({ group: GROUP, replica: this.id, hard })
    if (ready.snapshot === undefined) return
    this.stateLost = false
    this.#checkpoint = ready.snapshot
    this.applied = ready.snapshot.index
    this.conf = ready.snapshot.confState
    this.#world.checker.confs.under(GROUP, this.applied, this.conf)
  }

  #apply(): void {
    this.#applyScheduled = false
    const batch = this.#toApply.splice(0, this.#world.random.between(1, this.#toApply.length))
    for (const entry of batch) {
      // A snapshot may have overtaken what was handed out before it.
      if (entry.index > this.applied) this.#applyEntry(entry)
    }
    this.pump()
  }

  #applyEntry(entry: Entry): void {
    if (entry.index !== this.applied + 1) throw new Violation(`${this.id} applies ${entry.index} after ${this.applied}`)
    if (this.log.lastIndex() < entry.index)
      throw new Violation(`${this.id} applies ${entry.index} before it is durable`)
    this.#world.checker.applies(this.id, entry, this.raft?.term ?? 0)
    if (entry.type === 'confChange' && this.raft !== undefined) {
      this.conf = this.raft.applyConfChange(decodeConfChange(entry.data))
    }
    this.applied = entry.index
    // A snapshot to send is made of the newest state: an older one may not know who is to get it.
    this.log.newest = { index: entry.index, term: entry.term, confState: this.conf }
    this.#world.checker.confs.under(GROUP, entry.index, this.conf)
    this.raft?.applied(entry.index)
    const data = this.#proposed.get(`${entry.index}/${entry.term}`)
    if (data === text(entry.data)) this.#world.checker.acknowledged(entry.index, entry.term, data)
  }

  #send(message: Message): void {
    this.#world.checker.sends(message, this.log)
    this.#world.transmit(message)
  }
}
