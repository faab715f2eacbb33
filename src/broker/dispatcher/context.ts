/** What the dispatcher of one leadership hands to each of its groups. */
import type { Env } from '../../base/env.ts'
import type { GroupName, Position, TimerCommand } from '../../views/timer/commands.ts'
import type { BrokerConfig } from '../config.ts'
import type { Answer } from '../lane.ts'
import type { LeaderClock } from '../leader-clock.ts'
import type { TopicCounters } from '../stats.ts'
import type { TimerHandle } from '../timer-handle.ts'
import type { ChannelWindows } from './channel-windows.ts'
import type { TakeOver } from './lease-clock.ts'
import type { Window } from './window.ts'

/** A group as the dispatcher drives it. */
export interface DispatchedGroup {
  readonly name: GroupName
  /** It can be forgotten: nothing was applied under its name, and nothing is on its way that could be. */
  readonly unknown: boolean
  run(now: number): void
  waitMs(now: number): number | undefined
}

export interface DispatchContext {
  readonly env: Env
  readonly config: BrokerConfig
  readonly clock: LeaderClock
  readonly takeOver: TakeOver
  readonly handle: Pick<TimerHandle, 'view' | 'store'>
  readonly counters: TopicCounters
  submit(command: TimerCommand, done: (answer: Answer) => void): void
  /** See Proposer.horizon. */
  horizon(now: number): number
  windows(channel: string): ChannelWindows
  /** Starts a fill; wakes the groups of the channel when it ends. */
  fill(channel: string, window: Window, cursor: Position): void
  /** Has the group looked at in this turn. */
  wake(group: DispatchedGroup): void
  /** A first delivery, ms after its due time (negative: early, a broken promise). */
  onLateness(latenessMs: number): void
}
