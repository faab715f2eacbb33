/** Positions sort by due time, then index. */
import type { Position } from './commands.ts'

/** Before every message. */
export const FIRST_POSITION: Position = { due: 0, index: 0 }

export function isBefore(a: Position, b: Position): boolean {
  return a.due < b.due || (a.due === b.due && a.index < b.index)
}

export function isSame(a: Position, b: Position): boolean {
  return a.due === b.due && a.index === b.index
}
