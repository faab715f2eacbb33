/** What a partition gives to the sessions of one leadership. */
import type { SandglassError } from '../base/errors.ts'
import type { TimerCommand } from '../views/timer/commands.ts'
import type { GroupDispatch } from './dispatcher/groups/group-dispatch.ts'
import type { Answer } from './lane.ts'
import type { QuorumMarks } from './marks.ts'

export interface SessionHost {
  readonly group: GroupDispatch
  readonly marks: QuorumMarks
  /** False once the leadership that made this session is over. */
  current(): boolean
  submit(command: TimerCommand, done: (answer: Answer) => void): void
  /** Credit or room in the stream came back. */
  wake(): void
  acked(count: number): void
  nacked(count: number): void
  notLeader(): SandglassError
}
