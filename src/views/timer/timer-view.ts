/** The meaning of a timer partition's log. */
import { UnknownCommandError, type View } from '../view.ts'
import type { TimerEffect, TimerReply } from './commands.ts'
import type { TimerQueries } from './queries.ts'

export interface TimerView extends View<TimerReply, TimerEffect>, TimerQueries {}

/** An empty timer view; `load` fills it. */
export function createTimerView(): TimerView {
  throw new UnknownCommandError('not built yet')
}
