/**
 * Commands of a timer partition as bytes: [type, version, fields ...] (docs/formats.md, "Timer view"). Unknown types and
 * versions stop the replica, because guessing what a committed command means would split the replicas.
 */
import { UnknownCommandError } from '../view.ts'
import type { TimerCommand } from './commands.ts'

/** Asserts what the broker has validated: integers in range, names of ASCII. Bodies are copied once. */
export function encodeTimerCommand(command: TimerCommand): Uint8Array {
  throw new UnknownCommandError(command.type)
}

/** Bodies are subarrays of `bytes`. Throws UnknownCommandError for a type or version it does not know. */
export function decodeTimerCommand(bytes: Uint8Array): TimerCommand {
  throw new UnknownCommandError(`type ${bytes[0]}`)
}
