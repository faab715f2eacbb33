/**
 * What a partition has only while this node leads it, from the moment its own term's first entry is applied: the clock
 * that stamps, the dispatcher, the marks. Thrown away whole when leadership is lost.
 */
import type { Env } from '../base/env.ts'
import type { BrokerConfig } from './config.ts'
import { Dispatcher } from './dispatcher/dispatcher.ts'
import type { DispatchMemory } from './dispatcher/memory/dispatch-memory.ts'
import { LeaderClock } from './leader-clock.ts'
import { QuorumMarks } from './marks.ts'
import type { Proposer } from './proposer.ts'
import type { TopicCounters } from './stats.ts'
import type { TimerHandle } from './timer-handle.ts'

export interface LeadershipOptions {
  readonly env: Env
  readonly config: BrokerConfig
  readonly handle: TimerHandle
  readonly memory: DispatchMemory
  readonly proposer: Proposer
  readonly counters: TopicCounters
  readonly schedule: () => void
  readonly onLateness: (latenessMs: number) => void
  readonly onReadFailure: (error: unknown) => void
}

export class Leadership {
  readonly term: number
  readonly clock: LeaderClock
  readonly dispatcher: Dispatcher
  readonly marks: QuorumMarks

  /** `handle` is ready. */
  constructor(options: LeadershipOptions) {
    const { env, config, handle, proposer } = options
    const { term, lastAt } = handle.status()
    this.term = term
    this.clock = new LeaderClock(env, lastAt, () => handle.wallMs())
    this.marks = new QuorumMarks((done) => handle.read(done))
    this.dispatcher = new Dispatcher({
      ...options,
      clock: this.clock,
      takeOver: { monoMs: env.monoMs(), at: this.clock.now(), maxClockSkewMs: config.maxClockSkewMs },
      submit: (command, done) => proposer.submit(command, done),
      horizon: (now) => proposer.horizon(now),
    })
  }
}
