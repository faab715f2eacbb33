// How sandctl ends: the exit code of every error, and the one form in which errors are written.
import { SandglassError } from '../../base/errors.ts'

export const EXIT = { ok: 0, refused: 1, usage: 2, unreachable: 3, unknown: 4, interrupted: 130 } as const

/** Wrong arguments: nothing was asked of any server. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const UNREACHABLE: ReadonlySet<string> = new Set([
  'UNREACHABLE',
  'NO_QUORUM',
  'NOT_LEADER',
  'SHUTTING_DOWN',
  'DEADLINE',
])

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage
  if (!(error instanceof SandglassError)) return EXIT.refused
  if (error.outcome === 'unknown') return EXIT.unknown
  return UNREACHABLE.has(error.reason) ? EXIT.unreachable : EXIT.refused
}

/** One line for stderr. */
export function errorLine(error: unknown): string {
  return `${JSON.stringify({ error: describe(error) })}\n`
}

function describe(error: unknown): { reason: string; message: string; field?: string } {
  if (error instanceof SandglassError) {
    return { reason: error.reason, message: error.message, ...(error.field !== undefined && { field: error.field }) }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { reason: error instanceof UsageError ? 'USAGE' : 'FAILED', message }
}
