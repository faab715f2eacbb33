/** A whole cluster in virtual time from one seed: faults first, then a healed quorum that must make progress. */
import type { ConfState, SnapshotMeta } from '../../../src/base/log-entry.ts'
import type { Message } from '../../../src/raft/types.ts'
import { votersOf } from '../harness/entries.ts'
import { type MemoryLog, NOBODY } from '../harness/memory-log.ts'
import { Checker, Violation } from './checker.ts'
import { type CoreEvent, type CoreFault, FaultDraw, type Scene } from './core-faults.ts'
import { Random } from './random.ts'
import { ENTRY_BYTES, ENTRY_BYTES_MAX, SimNode, UNCOMMITTED_BYTES, type World } from './sim-node.ts'
import { drawLater, drawSwarm, type Swarm } from './swarm.ts'
import { Timeline } from './timeline.ts'

const TICK_MS = 10
const BASE: Omit<SnapshotMeta, 'confState'> = { index: 5, term: 1 }

export class Cluster implements World, Scene {
  readonly timeline = new Timeline()
  readonly checker: Checker
  readonly swarm: Swarm
  readonly random: Random
  readonly logs = new Map<number, MemoryLog>()
  readonly nodes = new Map<number, SimNode>()
  /** What happened to it, for another run with the same, or with less of it. */
  readonly events: CoreEvent[] = []
  readonly #draw: FaultDraw
  readonly #network: Random
  readonly #cut = new Set<string>()
  #calm = false
  #hash = 0
  #lastId = 0
  #counter = 0

  constructor(seed: number, overrides: Partial<Swarm> = {}) {
    const root = new Random(seed)
    this.swarm = { ...drawSwarm(root), ...drawLater(seed), ...overrides }
    const { inflight, inflightBytes, entriesPerMessage } = this.swarm
    const windows = {
      inflightAppends: inflight,
      inflightBytes: inflightBytes === 0 ? Number.POSITIVE_INFINITY : inflightBytes,
      messageBytes: Math.max(entriesPerMessage * ENTRY_BYTES, ENTRY_BYTES_MAX),
    }
    this.checker = new Checker(BASE.index, windows, UNCOMMITTED_BYTES)
    this.random = root.split()
    this.#draw = new FaultDraw(root.split(), this)
    this.#network = root.split()
    const ids = Array.from({ length: this.swarm.nodes }, (_, at) => at + 1)
    for (const id of ids) this.#add(id, votersOf(...ids))
  }

  /**
   * Faults for `faultsMs`, drawn or those of `events`, then progress must be made; throws a Violation if anything is not as
   * it must be.
   */
  run(faultsMs: number, events?: readonly CoreEvent[]): void {
    this.#startFaults(events)
    this.timeline.run(faultsMs)
    this.#heal(events)
    this.checker.finish()
  }

  get isCut(): boolean {
    return this.#cut.size > 0
  }

  get lastId(): number {
    return this.#lastId
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
      this.timeline.after(delay(), () => this.nodes.get(message.to)?.receive(message))
    }
    const sender = this.nodes.get(message.from)
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

  #add(id: number, conf: ConfState): void {
    this.#lastId = Math.max(this.#lastId, id)
    const known = conf.voters.includes(id)
    const node = new SimNode(id, this, known ? { ...BASE, confState: conf } : { index: 0, term: 0, confState: NOBODY })
    this.nodes.set(id, node)
    this.logs.set(id, node.log)
    node.start()
    this.#tickForEver(node, this.random.between(1, TICK_MS))
  }

  #tickForEver(node: SimNode, inMs: number): void {
    this.timeline.after(inMs, () => {
      node.tick()
      this.#tickForEver(node, TICK_MS)
    })
  }

  #startFaults(events: readonly CoreEvent[] | undefined): void {
    if (events === undefined) for (const [meanMs, draw] of this.#draw.kinds) this.#every(meanMs, draw)
    else for (const event of events) this.timeline.before(event.atMs, () => this.#strike(event))
  }

  #every(meanMs: number, draw: () => CoreFault | undefined): void {
    if (meanMs === 0) return
    this.timeline.before(this.#draw.waitMs(meanMs), () => {
      if (this.#calm) return
      const fault = draw()
      if (fault !== undefined) this.#strike(this.#keep(fault))
      this.#every(meanMs, draw)
    })
  }

  #keep(fault: CoreFault): CoreEvent {
    const event = { atMs: this.timeline.now, ...fault }
    this.events.push(event)
    return event
  }

  #strike(event: CoreEvent): void {
    if (event.type === 'cut') for (const [from, to] of event.links) this.#cut.add(`${from}>${to}`)
    else if (event.type === 'mend') this.#cut.clear()
    else if (event.type !== 'staysDown') this.#strikeNode(event)
  }

  #strikeNode(event: Exclude<CoreEvent, { type: 'cut' | 'mend' | 'staysDown' }>): void {
    const node = this.nodes.get(event.node)
    // Nobody asks anything of a process that stands still.
    if (node?.stalled === true && event.type !== 'crash' && event.type !== 'changeConf') return
    switch (event.type) {
      case 'propose':
        node?.propose(`p${++this.#counter}`)
        return
      case 'read':
        node?.read(++this.#counter)
        return
      case 'checkpoint':
        node?.checkpoint(this.swarm.keep)
        return
      case 'crash':
        this.#crash(node, event)
        return
      case 'changeConf':
        this.#changeConf(node, event)
        return
      case 'stall':
        node?.stall()
        this.timeline.after(event.ms, () => node?.goOn())
        return
      case 'transfer':
        node?.raft?.transferLeadership(event.to)
        return
      case 'campaign':
        node?.raft?.campaign()
        break
      case 'forgetLeader':
        node?.raft?.forgetLeader()
        break
      case 'leaderUnreachable':
        node?.raft?.leaderUnreachable(node.raft.status().leader)
    }
    node?.pump()
  }

  /** The one of the highest term: a removed leader may go on believing in itself. */
  leader(): SimNode | undefined {
    const termOf = (node: SimNode): number => node.raft?.status().term ?? 0
    const leaders = [...this.nodes.values()].filter((node) => node.raft?.status().role === 'leader')
    return leaders.sort((a, b) => termOf(a) - termOf(b)).at(-1)
  }

  #crash(node: SimNode | undefined, { losesState, downMs }: Extract<CoreEvent, { type: 'crash' }>): void {
    if (node?.raft === undefined) return
    node.crash()
    if (losesState && this.mayLoseState(node)) node.stateLost = true
    const { life } = node
    this.timeline.after(downMs, () => node.life === life && node.start())
  }

  /** A member of a group that can do without it, and nobody else at the time: without a state nobody can lead. */
  mayLoseState({ conf, id }: SimNode): boolean {
    const others = [...this.nodes.values()].some((node) => node.stateLost)
    return !others && conf.voters.includes(id) && this.#sparesOne()
  }

  /** Whether every configuration that any node may be in has a quorum without any one voter. */
  #sparesOne(): boolean {
    const confs = [...this.nodes.values()].map((node) => node.conf)
    const halves = confs.flatMap((conf) => [conf.voters, conf.votersOutgoing]).filter((half) => half.length > 0)
    return halves.every((half) => half.length >= 3)
  }

  #changeConf(leader: SimNode | undefined, { added, change }: Extract<CoreEvent, { type: 'changeConf' }>): void {
    // Of those that an earlier change brings in, if that was left out, somebody must be there as well.
    const named = 'to' in change ? added : [...added, ...change.changes.map(({ replica }) => replica)]
    for (const id of named) if (!this.nodes.has(id)) this.#add(id, NOBODY)
    if (leader?.stalled === true) return
    if ('to' in change) leader?.raft?.transferLeadership(change.to)
    else leader?.raft?.proposeConfChange({ ...change, context: new Uint8Array(0) })
    leader?.pump()
  }

  /** Faults end; a minority of each half may stay down. What is proposed now must be applied by everybody up. */
  #heal(events: readonly CoreEvent[] | undefined): void {
    this.#calm = true
    this.#cut.clear()
    const dead = this.#staysDown(events)
    for (const node of this.nodes.values()) {
      node.goOn()
      if (node.raft !== undefined && node === dead) node.crash()
      else if (node.raft === undefined && node !== dead) node.start()
    }
    const deadline = this.timeline.now + 60_000
    let target = 0
    const nextTry = (): void => {
      for (const node of this.nodes.values()) node.propose(`end${++this.#counter}`)
      target = target === 0 ? this.checker.committed + 1 : target
      if (!this.#settled(target)) this.timeline.after(100, nextTry)
    }
    nextTry()
    this.timeline.run(deadline, () => this.#settled(target))
    if (!this.#settled(target))
      throw new Violation(`no progress beyond ${this.checker.committed} after healing: ${this.#describe()}`)
  }

  #staysDown(events: readonly CoreEvent[] | undefined): SimNode | undefined {
    if (events !== undefined) {
      const event = events.find(({ type }) => type === 'staysDown')
      return this.#expendable().find(({ id }) => event?.type === 'staysDown' && id === event.node)
    }
    const node = this.#draw.staysDown(() => this.#expendable())
    if (node !== undefined) this.#keep({ type: 'staysDown', node: node.id })
    return node
  }

  /** Any one of them may go and leave a quorum in every configuration that may be in force; none while any node is behind. */
  #expendable(): readonly SimNode[] {
    const nodes = [...this.nodes.values()]
    // One without a state cannot lead, and no other may have what it has.
    const isSafe = this.swarm.confChangeEvery === 0 && !nodes.some((node) => node.stateLost)
    return isSafe && this.#sparesOne() ? nodes : []
  }

  #settled(target: number): boolean {
    const leader = this.leader()
    if (leader === undefined || leader.applied < target) return false
    const { voters, learners } = leader.conf
    return [...voters, ...learners].every((id) => {
      const node = this.nodes.get(id)
      return node?.raft === undefined || node.applied >= target
    })
  }

  #describe(): string {
    return [...this.nodes.values()]
      .map((node) => {
        const s = node.raft?.status()
        return `${node.id}: ${s?.role ?? 'down'} term ${s?.term} commit ${s?.commit} applied ${node.applied} last ${s?.lastIndex} voters ${node.conf.voters}|${node.conf.votersOutgoing} learners ${node.conf.learners}`
      })
      .join('; ')
  }
}
