/** Interaction scripts: some replicas, the messages between them, and commands that move either. */
import type { SnapshotMeta } from '../../../src/base/log-entry.ts'
import type { ConfChange } from '../../../src/raft/conf-change.ts'
import { isJoint } from '../../../src/raft/configuration.ts'
import { makeMessage } from '../../../src/raft/state.ts'
import {
  configOf,
  ELECTION_TICKS,
  HEARTBEAT_TICKS,
  number,
  numbers,
  ScriptError,
  transitionOf,
  values,
} from './arguments.ts'
import { describeEntry, describeMessage, describeProgress, lines, V1_CONTEXT } from './describe.ts'
import { type Argument, type Directive, parseCommand } from './grammar.ts'
import { parseSteps, ROLE_NAMES } from './names.ts'
import { Output } from './output.ts'
import { type Host, type Parcel, refusalText, ScriptNode, type Work } from './script-node.ts'
import { LEVELS } from './trace-text.ts'

type Command = (args: readonly Argument[], input: string) => void

export class Interaction implements Host {
  readonly output = new Output()
  readonly #nodes: ScriptNode[] = []
  #parcels: Parcel[] = []

  readonly #commands: Readonly<Record<string, Command>> = {
    'add-nodes': (args) => this.#addNodes(args),
    campaign: (args) => this.#first(args).raft.campaign(),
    compact: (args) => this.#compact(args),
    'deliver-msgs': (args) => this.#deliverMessages(args),
    'forget-leader': (args) => this.#first(args).raft.forgetLeader(),
    'log-level': (args) => this.#setLevel(args[0]?.key ?? ''),
    'process-append-thread': (args) =>
      this.#each(args, 'processing append thread', (node) => this.#processAppend(node)),
    'process-apply-thread': (args) => this.#each(args, 'processing apply thread', (node) => this.#processApply(node)),
    'process-ready': (args) => this.#each(args, 'handling Ready', (node) => node.processReady()),
    propose: (args) => this.#propose(args),
    'propose-conf-change': (args, input) => this.#proposeConfChange(args, input),
    'raft-log': (args) => this.#showLog(this.#first(args)),
    'raft-state': () => this.#showStates(),
    'report-unreachable': (args) => this.#first(args).raft.reportUnreachable(this.#ids(args)[1] ?? 0),
    'send-snapshot': (args) => this.#sendSnapshot(args),
    'set-randomized-election-timeout': (args) =>
      this.#first(args).raft.setElectionTimeout(number(args, 'timeout') ?? 1),
    stabilize: (args) => this.#stabilizeAt(args),
    status: (args) => this.#showProgress(this.#first(args)),
    'tick-election': (args) => this.#tick(this.#first(args), ELECTION_TICKS),
    'tick-heartbeat': (args) => this.#tick(this.#first(args), HEARTBEAT_TICKS),
    'transfer-leadership': (args) =>
      this.node(number(args, 'from') ?? 0).raft.transferLeadership(number(args, 'to') ?? 0),
  }

  /** The output of one directive. Throws for one that it does not know, so that no expected text can make up for it. */
  run({ line, command, args, input }: Directive): string {
    if (this.#commands[command] === undefined) throw new Error(`unknown command ${command}`)
    const error = this.#attempt(command, args, input)
    if (error !== undefined) return this.output.take(error)
    // Only changes of configuration take input; other lines are further commands of the same directive.
    const more = command === 'propose-conf-change' ? [] : input.split('\n').filter((text) => text.trim() !== '')
    for (const text of more) {
      const next = parseCommand(text, line)
      this.output.write(this.#attempt(next.command, next.args, '') ?? '')
    }
    return this.output.take()
  }

  /** Answers the error that the script is shown. */
  #attempt(command: string, args: readonly Argument[], input: string): string | undefined {
    const run = this.#commands[command]
    if (run === undefined) return 'unknown command'
    try {
      run(args, input)
      return undefined
    } catch (error) {
      if (error instanceof ScriptError) return error.message
      throw error
    }
  }

  node(id: number): ScriptNode {
    const node = this.#nodes[id - 1]
    if (node === undefined) throw new Error(`no node ${id}`)
    return node
  }

  post(parcel: Parcel): void {
    this.#parcels.push(parcel)
  }

  #ids(args: readonly Argument[]): number[] {
    return args.filter(({ values }) => values.length === 0).map(({ key }) => Number(key))
  }

  #first(args: readonly Argument[]): ScriptNode {
    return this.node(this.#ids(args)[0] ?? 0)
  }

  #addNodes(args: readonly Argument[]): void {
    const config = configOf(args)
    const index = number(args, 'index') ?? 0
    const voters = numbers(args, 'voters')
    const learners = numbers(args, 'learners')
    const bootstrap = index > 0 || voters.length > 0 || learners.length > 0 || values(args, 'content').length > 0
    if (bootstrap && index <= 1) throw new ScriptError('index must be specified as > 1 due to bootstrap')
    const confState = { voters, votersOutgoing: [], learners, learnersNext: [], autoLeave: false }
    const start: SnapshotMeta = { index, term: bootstrap ? 1 : 0, confState }
    for (let i = 0; i < (this.#ids(args)[0] ?? 0); i++) {
      this.#nodes.push(new ScriptNode(this.#nodes.length + 1, this, config, start))
    }
  }

  #each(args: readonly Argument[], what: string, run: (node: ScriptNode) => void): void {
    const ids = this.#ids(args)
    for (const id of ids) {
      if (ids.length === 1) run(this.node(id))
      else this.#under(`> ${id} ${what}`, () => run(this.node(id)))
    }
  }

  #under(header: string, run: () => void): void {
    this.output.line(header)
    this.output.indented(run)
  }

  #processAppend(node: ScriptNode): void {
    this.#process(node.appendWork.shift(), 'no append work to perform')
  }

  #processApply(node: ScriptNode): void {
    this.#process(node.applyWork.shift(), 'no apply work to perform')
  }

  #process(work: Work | undefined, none: string): void {
    if (work === undefined) {
      this.output.write(none)
      return
    }
    this.output.line('Processing:')
    this.output.line(describeMessage({ ...work.shown, responses: [] }))
    work.run()
    this.output.line('Responses:')
    for (const response of work.responses) {
      this.output.line(describeMessage(response.shown))
      this.post(response)
    }
  }

  #stabilizeAt(args: readonly Argument[]): void {
    const before = this.output.level
    const [level] = values(args, 'log-level')
    if (level !== undefined) this.#setLevel(level)
    const ids = this.#ids(args)
    const nodes = ids.length === 0 ? this.#nodes : ids.map((id) => this.node(id))
    while (this.#stabilizeOnce(nodes));
    this.output.level = before
  }

  /** Ready, messages, writes, applies, each for all nodes; false if there was none of them. */
  #stabilizeOnce(nodes: readonly ScriptNode[]): boolean {
    let done = 0
    const phase = (what: string, due: (node: ScriptNode) => boolean, run: (node: ScriptNode) => void): void => {
      for (const node of nodes) {
        if (!due(node)) continue
        done++
        this.#under(`> ${node.id} ${what}`, () => run(node))
      }
    }
    const drain = (queue: readonly Work[], run: () => void): void => {
      while (queue.length > 0) run()
    }
    phase(
      'handling Ready',
      (node) => node.raft.hasReady(),
      (node) => node.processReady(),
    )
    phase(
      'receiving messages',
      (node) => this.#parcels.some(({ to }) => to === node.id),
      (node) => this.#deliver(node.id),
    )
    phase(
      'processing append thread',
      (node) => node.appendWork.length > 0,
      (node) => drain(node.appendWork, () => this.#processAppend(node)),
    )
    phase(
      'processing apply thread',
      (node) => node.applyWork.length > 0,
      (node) => drain(node.applyWork, () => this.#processApply(node)),
    )
    return done > 0
  }

  #deliverMessages(args: readonly Argument[]): void {
    const [type] = values(args, 'type')
    let count = 0
    for (const { key, values: ids } of args) {
      if (ids.length === 0) count += this.#deliver(Number(key), type)
      else if (key === 'drop') for (const id of ids) count += this.#drop(Number(id), type)
    }
    if (count === 0) this.output.line('no messages')
  }

  #deliver(to: number, type?: string): number {
    const mine = this.#takeParcels((one) => one.to === to && (type === undefined || one.shown.name === type))
    for (const parcel of mine) {
      this.output.line(describeMessage(parcel.shown))
      const error = parcel.step()
      if (error !== undefined) this.output.line(error)
    }
    return mine.length
  }

  #drop(to: number, type?: string): number {
    const mine = this.#takeParcels(
      (one) => one.to === to && !one.local && (type === undefined || one.shown.name === type),
    )
    for (const parcel of mine) this.output.line(`dropped: ${describeMessage(parcel.shown)}`)
    return mine.length
  }

  #takeParcels(wanted: (parcel: Parcel) => boolean): Parcel[] {
    const mine = this.#parcels.filter(wanted)
    this.#parcels = this.#parcels.filter((one) => !wanted(one))
    return mine
  }

  #setLevel(name: string): void {
    const level = LEVELS.find((one) => one === name.toUpperCase())
    if (level === undefined) throw new ScriptError(`log levels must be either of [${LEVELS.join(' ')}]`)
    this.output.level = level
  }

  #tick(node: ScriptNode, count: number): void {
    for (let i = 0; i < count; i++) node.raft.tick()
  }

  #propose(args: readonly Argument[]): void {
    const data = new TextEncoder().encode(args[1]?.key ?? '')
    const proposed = this.#first(args).raft.propose([data])
    throwIf('refused' in proposed ? refusalText(proposed.refused) : undefined)
  }

  #proposeConfChange(args: readonly Argument[], input: string): void {
    const changes = parseSteps(input)
    const v1 = values(args, 'v1')[0] === 'true'
    const transition = transitionOf(values(args, 'transition')[0] ?? 'auto')
    if (v1 && (changes.length !== 1 || transition !== 'auto')) {
      throw new ScriptError('v1 conf change can only have one operation and no transition')
    }
    const change: ConfChange = { transition, changes, context: v1 ? V1_CONTEXT : new Uint8Array(0) }
    const proposed = this.#first(args).raft.proposeConfChange(change)
    throwIf('refused' in proposed ? refusalText(proposed.refused) : undefined)
  }

  #compact(args: readonly Argument[]): void {
    const node = this.#first(args)
    const index = this.#ids(args)[1] ?? 0
    const term = node.log.term(index)
    if (index <= node.log.base.index) throw new ScriptError('requested index is unavailable due to compaction')
    if (term === undefined) throw new Error(`node ${node.id} has no index ${index} to compact to`)
    node.log.compact({ index, term, confState: node.snapshot.confState })
    this.#showLog(node)
  }

  #sendSnapshot(args: readonly Argument[]): void {
    const node = this.#first(args)
    const to = this.#ids(args)[1] ?? 0
    const { term } = node.raft.status()
    const parcel = node.parcelOf(makeMessage('installSnapshot', to, { from: node.id, term, snapshot: node.snapshot }))
    this.post(parcel)
    this.output.write(describeMessage(parcel.shown))
  }

  #showLog({ log }: ScriptNode): void {
    if (log.list.length > 0) this.output.write(lines(log.list.map(describeEntry)))
    else this.output.write(`log is empty: first index=${log.firstIndex()}, last index=${log.lastIndex()}`)
  }

  #showStates(): void {
    for (const { raft } of this.#nodes) {
      const { id, role, confState, term, leader } = raft.status()
      const votes = confState.voters.includes(id) || (isJoint(confState) && confState.votersOutgoing.includes(id))
      this.output.line(`${id}: ${ROLE_NAMES[role]} ${votes ? '(Voter)' : '(Non-Voter)'} Term:${term} Lead:${leader}`)
    }
  }

  #showProgress({ raft }: ScriptNode): void {
    for (const progress of raft.progress()) this.output.line(`${progress.id}: ${describeProgress(progress)}`)
  }
}

function throwIf(text: string | undefined): void {
  if (text !== undefined) throw new ScriptError(text)
}
