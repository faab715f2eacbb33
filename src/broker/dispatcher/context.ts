/** What the dispatcher of one leadership hands to each of its groups. */
import type { Env } from '../../base/env.ts'
import type { GroupName, Position, TimerCommand } from '../../views/timer/commands.ts'
import type { BrokerConfig } from '../config.ts'
import type { Answer } from '../lane.ts'
import type { LeaderClock } from '../leader-clock.ts'
import type { TopicCounters } from '../stats.ts'
import type { TimerHandle } from '../timer-handle.ts'
import type { TakeOver } from './groups/lease-clock.ts'
import type { DispatchMemory } from './memory/dispatch-memory.ts'
import type { Outlook } from './outlook.ts'
import type { ChannelWindows } from './windows/channel-windows.ts'
import type { Window } from './windows/window.ts'

/** A group as the dispatcher drives it. */
export interface DispatchedGroup {
  readonly name: GroupName
  /** As of its last run. */
  readonly outlook: Outlook
  /** Nobody is attached or about to be, and nothing is on its way. */
  readonly idle: boolean
  run(now: number): void
}

export interface DispatchContext {
  readonly env: Env
  readonly config: BrokerConfig
  readonly clock: LeaderClock
  readonly takeOver: TakeOver
  readonly handle: Pick<TimerHandle, 'view' | 'reader'>
  readonly counters: TopicCounters
  readonly memory: DispatchMemory
  submit(command: TimerCommand, done: (answer: Answer) => void): void
  /** See Proposer.horizon. */
  horizon(now: number): number
  windows(channel: string): ChannelWindows<DispatchedGroup>
  /** Starts a fill; wakes the groups that read the window when it ends. */
  fill(channel: string, window: Window, cursor: Position): void
  /** Has the group looked at in this turn. */
  wake(group: DispatchedGroup): void
  /** The leadership is over: what was read comes too late. */
  stopped(): boolean
  /** A first delivery, ms after its due time (negative: early, a broken promise). */
  onLateness(latenessMs: number): void
  /** The store could not be read. */
  onReadFailure(error: unknown): void
}

/** Pause after a failed read, ms. */
export const READ_RETRY_MS = 250
