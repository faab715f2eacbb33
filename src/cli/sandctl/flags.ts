// What the command lines of several commands share.
import type { Command } from './context.ts'
import { UsageError } from './exit.ts'

/** Parsing ends in the choice of one command. */
export type Choose = (command: Command) => void

/** Shown before a command that does not say which of its own commands is meant. */
export function oneOf(group: string, commands: string): Command {
  return () => Promise.reject(new UsageError(`${group}: which of ${commands}? --help says more`))
}
