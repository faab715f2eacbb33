/** A whole cluster in virtual time from one seed: faults first, then a healed quorum that must make progress. */
import type { ConfState, SnapshotMeta } from '../../../src/base/log-entry.ts'
import type { ConfChange, ConfChangeStep } from '../../../src/raft/conf-change.ts'
import type { Message } from '../../../src/raft/types.ts'
import { votersOf } from '../harness/entries.ts'
import { type MemoryLog, NOBODY } from '../harness/memory-log.ts'
import { Checker, Violation } from './checker.ts'
import { Random } from './random.ts'
import { ENTRY_BYTES, ENTRY_BYTES_MAX, SimNode, UNCOMMITTED_BYTES, type World } from './sim-node.ts'
import { drawInflightBytes, drawSwarm, type Swarm } from './swarm.ts'
import { Timeline } from './timeline.ts'

const TICK_MS = 10
const BASE: Omit<SnapshotMeta, 'confState'> = { index: 5, term: 1 }

export class Cluster implements World {
  readonly timeline = new Timeline()
  readonly checker: Checker
  readonly swarm: Swarm
  readonly random: Random
  readonly logs = new Map<number, MemoryLog>()
  readonly #nodes = new Map<number, SimNode>()
  readonly #faults: Random
  readonly #network: Random
  readonly #cut = new Set<string>()
  #calm = false
  #hash = 0
  #lastId = 0
  #counter = 0

  constructor(seed: number, overrides: Partial<Swarm> = {}) {
    const root = new Random(seed)
    this.swarm = { ...drawSwarm(root), inflightBytes: drawInflightBytes(seed), ...overrides }
    const { inflight, inflightBytes, entriesPerMessage } = this.swarm
    const windows = {
      inflightAppends: inflight,
      inflightBytes: inflightBytes === 0 ? Number.POSITIVE_INFINITY : inflightBytes,
      messageBytes: Math.max(entriesPerMessage * ENTRY_BYTES, ENTRY_BYTES_MAX),
    }
    this.checker = new Checker(BASE.index, windows, UNCOMMITTED_BYTES)
    this.random = root.split()
    this.#faults = root.split()
    this.#network = root.split()
    const conf = votersOf(...Array.from({ length: this.swarm.nodes }, (_, at) => at + 1))
    for (let i = 0; i < this.swarm.nodes; i++) this.#add(conf)
  }

  /** Faults for `faultsMs`, then progress must be made; throws a Violation if anything is not as it must be. */
  run(faultsMs: number): void {
    this.#startFaults()
    this.timeline.run(faultsMs)
    this.#heal()
    this.checker.finish()
  }

  /** Entries committed, to see that runs do something. */
  get progress(): number {
    return this.checker.committed - BASE.index
  }

  /** All messages with their times: the same seed gives the same. */
  get traceHash(): string {
    return `${(this.#hash >>> 0).toString(16)}-${this.progress}`
  }

  transmit(message: Message): void {
    const { swarm } = this
    this.#note(message)
    const cut = this.#cut.has(`${message.from}>${message.to}`)
    const lost = cut || (!this.#calm && this.#network.chance(swarm.loss))
    const copies = lost ? 0 : !this.#calm && this.#network.chance(swarm.duplicate) ? 2 : 1
    const delay = (): number => this.#network.between(0, this.#calm ? 3 : swarm.delayMs)
    for (let i = 0; i < copies; i++) {
      this.timeline.after(delay(), () => this.#nodes.get(message.to)?.receive(message))
    }
    const sender = this.#nodes.get(message.from)
    // The transport owes a word on every snapshot, and sometimes notices other losses.
    if (message.type === 'installSnapshot') {
      this.timeline.after(swarm.delayMs, () =>
        this.#report(sender, () => sender?.raft?.reportSnapshot(message.to, !lost)),
      )
    } else if (lost && this.#network.chance(0.3)) {
      this.timeline.after(0, () => this.#report(sender, () => sender?.raft?.reportUnreachable(message.to)))
    }
  }

  /** With writes as slow as election timeouts no election need ever end; after the faults disks are fast. */
  diskMs(): number {
    return this.random.between(0, this.#calm ? Math.min(this.swarm.diskMs, TICK_MS) : this.swarm.diskMs)
  }

  #note({ type, from, to, term, index, commit, reject, entries }: Message): void {
    const { length } = type
    for (const value of [this.timeline.now, length, from, to, term, index, commit, reject ? 1 : 0, entries.length]) {
      this.#hash = Math.imul(this.#hash ^ value, 0x01000193)
    }
  }

  #report(sender: SimNode | undefined, report: () => void): void {
    report()
    sender?.pump()
  }

  #add(conf: ConfState): SimNode {
    const id = ++this.#lastId
    const known = conf.voters.includes(id)
    const node = new SimNode(id, this, known ? { ...BASE, confState: conf } : { index: 0, term: 0, confState: NOBODY })
    this.#nodes.set(id, node)
    this.logs.set(id, node.log)
    node.start()
    this.#tickForEver(node, this.random.between(1, TICK_MS))
    return node
  }

  #tickForEver(node: SimNode, inMs: number): void {
    this.timeline.after(inMs, () => {
      node.tick()
      this.#tickForEver(node, TICK_MS)
    })
  }

  #startFaults(): void {
    const { swarm } = this
    this.#every(swarm.proposeEvery, () => this.#up()?.propose(`p${++this.#counter}`))
    this.#every(swarm.readEvery, () => this.#up()?.read(++this.#counter))
    this.#every(swarm.crashEvery, () => this.#crash())
    this.#every(swarm.partitionEvery, () => this.#partition())
    this.#every(swarm.transferEvery, () => this.#transfer())
    this.#every(swarm.checkpointEvery, () => this.#up()?.checkpoint(swarm.keep))
    this.#every(swarm.confChangeEvery, () => this.#changeConf())
    this.#every(swarm.whimEvery, () => this.#whim())
  }

  #every(meanMs: number, run: () => void): void {
    if (meanMs === 0) return
    this.timeline.after(this.#faults.between(1, 2 * meanMs), () => {
      if (this.#calm) return
      run()
      this.#every(meanMs, run)
    })
  }

  #up(): SimNode | undefined {
    return this.#faults.pick([...this.#nodes.values()].filter((node) => node.raft !== undefined))
  }

  /** The one of the highest term: a removed leader may go on believing in itself. */
  #leader(): SimNode | undefined {
    const termOf = (node: SimNode): number => node.raft?.status().term ?? 0
    const leaders = [...this.#nodes.values()].filter((node) => node.raft?.status().role === 'leader')
    return leaders.sort((a, b) => termOf(a) - termOf(b)).at(-1)
  }

  #crash(): void {
    const node = this.#faults.chance(0.4) ? this.#leader() : this.#up()
    if (node?.raft === undefined) return
    node.crash()
    if (this.#faults.chance(this.swarm.stateLoss) && this.#mayLoseState(node)) node.stateLost = true
    const { life } = node
    this.timeline.after(this.#faults.between(1, 800), () => node.life === life && node.start())
  }

  /** A member of a group that can do without it, and nobody else at the time: without a state nobody can lead. */
  #mayLoseState({ conf, id }: SimNode): boolean {
    const others = [...this.#nodes.values()].some((node) => node.stateLost)
    return !others && conf.voters.includes(id) && this.#sparesOne()
  }

  /** Whether every configuration that any node may be in has a quorum without any one voter. */
  #sparesOne(): boolean {
    const confs = [...this.#nodes.values()].map((node) => node.conf)
    const halves = confs.flatMap((conf) => [conf.voters, conf.votersOutgoing]).filter((half) => half.length > 0)
    return halves.every((half) => half.length >= 3)
  }

  #partition(): void {
    if (this.#cut.size > 0 && this.#faults.chance(0.5)) {
      this.#cut.clear()
      return
    }
    const side = new Set([...this.#nodes.keys()].filter(() => this.#faults.chance(0.5)))
    const oneWay = this.#faults.chance(0.3)
    for (const a of this.#nodes.keys()) {
      for (const b of this.#nodes.keys()) {
        if (side.has(a) && !side.has(b)) {
          this.#cut.add(`${a}>${b}`)
          if (!oneWay) this.#cut.add(`${b}>${a}`)
        }
      }
    }
  }

  #transfer(): void {
    const to = this.#up()
    this.#up()?.raft?.transferLeadership(to?.id ?? 1)
  }

  #whim(): void {
    const node = this.#up()
    const whim = this.#faults.below(3)
    if (whim === 0) node?.raft?.campaign()
    else if (whim === 1) node?.raft?.forgetLeader()
    else node?.raft?.leaderUnreachable(node.raft.status().leader)
    node?.pump()
  }

  /** Replica ids are never used twice: whoever is added is new. */
  #changeConf(): void {
    const leader = this.#leader()
    if (leader?.raft === undefined) return
    const { voters, votersOutgoing, learners } = leader.raft.status().confState
    const changes: ConfChangeStep[] = []
    if (votersOutgoing.length === 0) {
      const count = this.#faults.between(1, 2)
      for (let i = 0; i < count; i++) changes.push(this.#step(voters, learners))
    }
    // A host never takes the leader out of its own configuration: it transfers leadership first.
    const { id } = leader
    if (!voters.includes(id) || changes.some(({ type, replica }) => replica === id && type !== 'addVoter')) {
      leader.raft.transferLeadership(voters.find((voter) => voter !== id) ?? 0)
      leader.pump()
      return
    }
    const transition =
      changes.length === 0 ? 'auto' : (this.#faults.pick(['auto', 'implicit', 'explicit'] as const) ?? 'auto')
    const change: ConfChange = { transition, changes, context: new Uint8Array(0) }
    leader.raft.proposeConfChange(change)
    leader.pump()
  }

  #step(voters: readonly number[], learners: readonly number[]): ConfChangeStep {
    const kind = this.#faults.below(4)
    const learner = this.#faults.pick(learners)
    const voter = this.#faults.pick(voters)
    if (kind === 0 && learner !== undefined) return { type: 'addVoter', replica: learner }
    if (kind === 1 && voter !== undefined && voters.length > 3) return { type: 'remove', replica: voter }
    if (kind === 2 && voter !== undefined && voters.length > 3) return { type: 'addLearner', replica: voter }
    if (this.#lastId < 9) return { type: kind === 3 ? 'addLearner' : 'addVoter', replica: this.#add(NOBODY).id }
    return { type: 'update', replica: voter ?? 1 }
  }

  /** Faults end; a minority of each half may stay down. What is proposed now must be applied by everybody up. */
  #heal(): void {
    this.#calm = true
    this.#cut.clear()
    const dead = this.#faults.chance(0.5) ? this.#expendable() : undefined
    for (const node of this.#nodes.values()) {
      if (node.raft !== undefined && node === dead) node.crash()
      else if (node.raft === undefined && node !== dead) node.start()
    }
    const deadline = this.timeline.now + 60_000
    let target = 0
    const nextTry = (): void => {
      for (const node of this.#nodes.values()) node.propose(`end${++this.#counter}`)
      target = target === 0 ? this.checker.committed + 1 : target
      if (!this.#settled(target)) this.timeline.after(100, nextTry)
    }
    nextTry()
    this.timeline.run(deadline, () => this.#settled(target))
    if (!this.#settled(target))
      throw new Violation(`no progress beyond ${this.checker.committed} after healing: ${this.#describe()}`)
  }

  /** One node whose loss leaves a quorum in every configuration that may be in force; conservative while any node is behind. */
  #expendable(): SimNode | undefined {
    // One without a state cannot lead, and no other may have what it has.
    const lost = [...this.#nodes.values()].some((node) => node.stateLost)
    if (this.swarm.confChangeEvery > 0 || lost) return undefined
    return this.#sparesOne() ? this.#faults.pick([...this.#nodes.values()]) : undefined
  }

  #settled(target: number): boolean {
    const leader = this.#leader()
    if (leader === undefined || leader.applied < target) return false
    const { voters, learners } = leader.conf
    return [...voters, ...learners].every((id) => {
      const node = this.#nodes.get(id)
      return node?.raft === undefined || node.applied >= target
    })
  }

  #describe(): string {
    return [...this.#nodes.values()]
      .map((node) => {
        const s = node.raft?.status()
        return `${node.id}: ${s?.role ?? 'down'} term ${s?.term} commit ${s?.commit} applied ${node.applied} last ${s?.lastIndex} voters ${node.conf.voters}|${node.conf.votersOutgoing} learners ${node.conf.learners}`
      })
      .join('; ')
  }
}
