/**
 * One timer partition on this node. While it leads, one turn of the event loop is one pass of the dispatcher and one batch
 * of proposals; while it does not, everybody hears NOT_LEADER with the leader's address. A caller that comes between the
 * election and the first applied entry waits for it, bounded.
 */
import type { Env, Timer } from '../base/env.ts'
import { type ErrorReason, SandglassError } from '../base/errors.ts'
import type { GroupStatus } from '../replication/group.ts'
import type { GroupName, ProduceCommand, TimerCommand } from '../views/timer/commands.ts'
import type { BrokerConfig, BrokerEvent } from './config.ts'
import { type Directory, type PartitionInfo, topicNotFound } from './directory.ts'
import type { DispatchMemory } from './dispatcher/memory/dispatch-memory.ts'
import type { Answer, LaneBudgets } from './lane.ts'
import { Leadership } from './leadership.ts'
import { Proposer } from './proposer.ts'
import { Pull, type PullOutcome, type PullSpec } from './pull.ts'
import { Session, type SessionSink, type SessionSpec } from './session.ts'
import type { SessionHost } from './session-host.ts'
import { type SettleCommand, type Settled, submitInParts } from './settle-parts.ts'
import { groupCounters, type TopicCounters } from './stats.ts'
import type { TimerHandle } from './timer-handle.ts'

export interface PartitionOptions {
  readonly env: Env
  readonly config: BrokerConfig
  readonly directory: Pick<Directory, 'self' | 'node' | 'leaderOf' | 'topic'>
  readonly info: PartitionInfo
  readonly handle: TimerHandle
  /** Shared by all partitions of the node. */
  readonly memory: DispatchMemory
  readonly counters: TopicCounters
  /** The node's, for the commands of all its partitions. */
  readonly budgets: LaneBudgets
  readonly onEvent: (event: BrokerEvent) => void
  /** Role, leader or readiness changed. */
  readonly onStatus: () => void
}

/** So long a command waits for a leader that is elected to apply its first entry; longer means that no quorum follows. */
const READY_WAIT_MS = 3000
const MS_PER_S = 1000

export class Partition {
  readonly info: PartitionInfo
  readonly handle: TimerHandle
  readonly #options: PartitionOptions
  readonly #proposer: Proposer
  #leadership: Leadership | undefined
  #scheduled = false
  #closed: ErrorReason | undefined
  #readyWait: Timer | undefined

  constructor(options: PartitionOptions) {
    this.#options = options
    this.info = options.info
    this.handle = options.handle
    this.#proposer = new Proposer({
      handle: options.handle,
      budgets: options.budgets,
      now: () => this.#leadership?.clock.now() ?? 0,
      refusal: (reason) => this.#refusal(reason),
      schedule: () => this.#schedule(),
      horizonMoved: () => this.#leadership?.dispatcher.horizonMoved(),
    })
    options.handle.observe({
      status: (status) => this.#status(status),
      applied: (effects) => this.#leadership?.dispatcher.applied(effects),
      reloaded: () => this.#lose(),
    })
    this.#status(options.handle.status())
  }

  /** Leads, or has just been elected. */
  get leads(): boolean {
    return this.#closed === undefined && this.handle.status().role === 'leader'
  }

  /** Leader's time, ms; undefined unless it leads and is ready. */
  now(): number | undefined {
    return this.#leadership?.clock.now()
  }

  get leadership(): Leadership | undefined {
    return this.#leadership
  }

  get proposals(): Readonly<Proposer['counts']> {
    return this.#proposer.counts
  }

  /**
   * `done` is called exactly once, at the earliest when the outcome is decided. `wanted`: whether the caller still waits;
   * what nobody waits for when its turn comes is not stored, and `done` gets DEADLINE.
   */
  produce(command: ProduceCommand, done: (answer: Answer) => void, wanted?: () => boolean): void {
    const stored = (answer: Answer) => {
      if (answer.type === 'reply' && answer.reply.type === 'produced') {
        this.#options.counters.produced += answer.reply.positions.length - answer.reply.duplicates
      }
      done(answer)
    }
    this.#submit(command, stored, wanted)
  }

  /** A consumer's stream begins. Throws NOT_LEADER when this node does not lead or is not ready; `ready` waits for that. */
  subscribe(spec: SessionSpec, sink: SessionSink): Session {
    return new Session(spec, sink, this.#host(spec))
  }

  /** A Pull begins; `done` is called exactly once. Throws as `subscribe` does. */
  pull(spec: PullSpec, done: (outcome: PullOutcome) => void): Pull {
    return new Pull(spec, this.#host(spec), done)
  }

  /** An ack, nack or extend that comes without a stream. `done` is called exactly once; `wanted` as for `produce`. */
  settle(command: SettleCommand, done: (answer: Answer) => void, wanted?: () => boolean): void {
    // Who waits for the answer keeps the names, not the thousand places that may be in it.
    const { type, channel, group } = command
    const leaseMs = command.type === 'extend' ? command.leaseMs : undefined
    const onPart = (settled: Settled) => {
      const counters = groupCounters(this.#options.counters, group)
      if (type === 'ack') counters.acked += settled.done
      if (type === 'nack') counters.nacked += settled.done
      const { deadline } = settled
      if (leaseMs !== undefined && deadline !== undefined) {
        this.#leadership?.dispatcher.extended({ channel, group }, deadline, leaseMs)
      }
    }
    submitInParts(command, (part, answered) => this.#submit(part, answered, wanted), { onPart, onDone: done })
  }

  /** NOT_LEADER with the leader's address if it is known. */
  notLeader(): SandglassError {
    return this.#refusal(this.#closed ?? 'NOT_LEADER')
  }

  /** Resolves when what was committed at the call is applied here; rejects NOT_LEADER or NO_QUORUM. */
  read(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#read((refusal) => (refusal === undefined ? resolve() : reject(refusal)))
    })
  }

  /** Refuses everything from now on and ends the streams with `reason`. */
  close(reason: 'SHUTTING_DOWN' | 'NOT_LEADER'): void {
    if (this.#closed !== undefined) return
    this.#closed = reason
    this.#lose()
    this.#readyWait?.cancel()
    this.#proposer.refuseWaiting(reason)
  }

  #host(spec: GroupName): SessionHost {
    const leadership = this.#leadership
    if (leadership === undefined) throw this.#refusal('NOT_LEADER')
    const group = leadership.dispatcher.group(spec)
    const counters = () => groupCounters(this.#options.counters, spec.group)
    return {
      group,
      marks: leadership.marks,
      current: () => this.#leadership === leadership,
      notLeader: () => this.notLeader(),
      known: () => this.handle.view.group(spec) !== undefined,
      read: (done) => this.#read(done),
      submit: (command, done, wanted) => this.#submit(command, done, wanted),
      acked: (count) => {
        counters().acked += count
      },
      nacked: (count) => {
        counters().nacked += count
      },
    }
  }

  #read(done: (refusal: SandglassError | undefined) => void): void {
    if (this.#closed !== undefined) {
      done(this.#refusal(this.#closed))
      return
    }
    this.handle.read((outcome) => done(outcome.type === 'ok' ? undefined : this.#refusal(outcome.reason)))
  }

  #submit(command: TimerCommand, done: (answer: Answer) => void, wanted?: () => boolean): void {
    if (!this.leads) {
      done({ type: 'failed', error: this.notLeader() })
      return
    }
    this.#proposer.submit(command, done, wanted)
    if (this.#leadership === undefined) this.#awaitReady()
  }

  /** Whatever waits for the leader to be ready has this timer, also what came after an earlier one ran out. */
  #awaitReady(): void {
    if (!this.#proposer.waiting) return
    this.#readyWait ??= this.#options.env.after(READY_WAIT_MS, () => {
      this.#readyWait = undefined
      this.#proposer.refuseWaiting('NO_QUORUM')
    })
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#options.env.endOfTurn(() => this.#turn())
  }

  #turn(): void {
    this.#scheduled = false
    if (this.#leadership === undefined) return
    this.#leadership.dispatcher.run()
    this.#proposer.flush()
  }

  #status(status: GroupStatus): void {
    if (this.#closed !== undefined) return
    if (this.#leadership !== undefined && (!status.ready || status.term !== this.#leadership.term)) this.#lose()
    if (status.role !== 'leader') {
      this.#readyWait?.cancel()
      this.#readyWait = undefined
      this.#proposer.refuseWaiting('NOT_LEADER')
    } else if (!status.ready) {
      this.#awaitReady()
    } else if (this.#leadership === undefined) this.#gain()
    this.#options.onStatus()
  }

  #gain(): void {
    this.#readyWait?.cancel()
    this.#readyWait = undefined
    const { env, config, memory, counters, onEvent, info } = this.#options
    const leadership = new Leadership({
      env,
      config,
      memory,
      counters,
      handle: this.handle,
      proposer: this.#proposer,
      schedule: () => this.#schedule(),
      onLateness: (latenessMs) => {
        if (latenessMs < 0) {
          counters.early += 1
          onEvent({ type: 'early', topic: info.topic, partition: info.id, byMs: -latenessMs })
        }
        counters.lateness.observe(latenessMs / MS_PER_S)
      },
      onReadFailure: (error) => onEvent({ type: 'readFailed', topic: info.topic, partition: info.id, error }),
    })
    this.#leadership = leadership
    onEvent({ type: 'leaderGained', topic: info.topic, partition: info.id, term: leadership.term })
    this.#schedule()
  }

  #lose(): void {
    const leadership = this.#leadership
    if (leadership === undefined) return
    this.#leadership = undefined
    const reason = this.#closed ?? 'NOT_LEADER'
    leadership.dispatcher.stop(this.#refusal(reason))
    // The next leadership may be this node's as well: it begins from what is stored, not from what the last one wanted.
    this.#proposer.refuseWaiting(reason)
    this.#options.onEvent({ type: 'leaderLost', topic: this.info.topic, partition: this.info.id })
  }

  #refusal(reason: ErrorReason): SandglassError {
    const { directory, info } = this.#options
    const where = `partition ${info.id} of ${info.topic}`
    // Nobody will ever lead it again: whoever looked for its leader would look in vain.
    const gone = directory.topic(info.topic)?.partitions[info.id]?.group !== info.group
    if (gone && reason === 'NOT_LEADER') return topicNotFound(info.topic)
    if (reason !== 'NOT_LEADER') return new SandglassError(reason, `Cannot use ${where}: ${STATES[reason] ?? reason}`)
    const leader = directory.leaderOf(info.group)
    const grpc = leader === directory.self ? undefined : directory.node(leader)?.grpc
    return new SandglassError(
      reason,
      `Cannot use ${where}: this node does not lead it`,
      grpc === undefined ? {} : { leader: grpc },
    )
  }
}

const STATES: Partial<Record<ErrorReason, string>> = {
  NO_QUORUM: 'no majority of its replicas answers',
  OVERLOADED: 'too much is waiting to be stored',
  DISK_FULL: "the leader's disk is full",
  SHUTTING_DOWN: 'this node is shutting down',
  COMMIT_UNKNOWN: 'the leader changed before it was known to be stored',
}
