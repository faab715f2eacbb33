/**
 * The entries of an append from another node, before any of them may reach the log: in order of their terms, and each
 * decoded whole, since one that cannot be applied would stop every replica once it is committed.
 */
import { SandglassError } from '../../base/errors.ts'
import type { Entry } from '../../base/log-entry.ts'
import { violation } from '../../base/violation.ts'
import { readConfChange } from '../../raft/conf-change.ts'
import type { Message } from '../../raft/types.ts'
import { UnknownCommandError, type View } from '../../views/view.ts'
import { isEntryData } from '../entry-data.ts'
import { isMemberChange } from '../member-change.ts'

/** Throws INVALID with the field at fault. */
export function checkEntries({ term, logTerm, entries }: Message, view: Pick<View, 'isCommand'>): void {
  if (logTerm > term) throw violation('logTerm', `the log before is of term ${logTerm}, its leader of ${term}`)
  const isCommand = (command: Uint8Array) => view.isCommand(command)
  let before = logTerm
  for (const entry of entries) {
    if (entry.term < before || entry.term > term) {
      throw violation('entries.term', `entry ${entry.index} is of term ${entry.term}, between ${before} and ${term}`)
    }
    before = entry.term
    if (!isWhole(entry, isCommand)) throw violation('entries.data', `entry ${entry.index} cannot be read`)
  }
}

function isWhole({ type, data }: Entry, isCommand: (command: Uint8Array) => boolean): boolean {
  try {
    if (type === 'normal') return isEntryData(data, isCommand)
    const change = readConfChange(data)
    return change !== undefined && isMemberChange(change)
  } catch (error) {
    if (error instanceof SandglassError || error instanceof UnknownCommandError) return false
    throw error
  }
}
