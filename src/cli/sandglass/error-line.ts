/** The one line on stderr of a command that fails (docs/semantics.md, "Start errors"). */
interface Told {
  readonly reason: string
  readonly message: string
  /** The setting at fault. */
  readonly field?: string | undefined
  /** What to do next. */
  readonly action?: string | undefined
}

export function errorLine({ reason, message, field, action }: Told): string {
  return `${JSON.stringify({ error: { reason, message, field, action } })}\n`
}
