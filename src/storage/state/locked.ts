/** Tells the one reason for a failed opening that a user can do something about. */
/** Whether an error of opening means that another process, or another store of this one, holds the folder. */
export function isLocked(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return ('code' in error && error.code === 'LEVEL_LOCKED') || isLocked(error.cause)
}
