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
  /** The group exists in the applied state. */
  known(): boolean
  /** Calls back, maybe before it returns, when what was committed at the call is applied, or with why that is not known. */
  read(done: (refusal: SandglassError | undefined) => void): void
  /** `wanted`: see Partition.produce. */
  submit(command: TimerCommand, done: (answer: Answer) => void, wanted?: () => boolean): void
  acked(count: number): void
  nacked(count: number): void
  notLeader(): SandglassError
}
