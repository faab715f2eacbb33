// How the text of a flag or word becomes a value. All flags are text to yargs, which
// would take 0x10 and '' for numbers; what it makes of a flag given twice or as --no-flag is refused here, by name.
import { parseDuration } from '../../base/duration.ts'
import { SandglassError } from '../../base/errors.ts'
import { DELAY_MS_MAX, DUE_MS_MAX } from '../../base/limits.ts'
import { checkName } from '../../wire/fields.ts'
import { UsageError } from './exit.ts'

interface Range {
  readonly min: number
  readonly max: number
}

/** undefined: not given. */
export function textOf(value: unknown, flag: string): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  throw new UsageError(`${flag}: one value is needed`)
}

/** A flag that is given or has a default. */
export function wholeOf(value: unknown, flag: string, { min, max }: Range): number {
  const text = textOf(value, flag) ?? ''
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (number >= min && number <= max) return number
  throw new UsageError(`${flag} ${text}: not a whole number from ${min} to ${max}`)
}

/** A topic, group, channel or consumer. `reserved`: names of the house may be referred to. */
export function nameOf(value: unknown, flag: string, options: { readonly reserved: boolean }): string {
  const text = textOf(value, flag) ?? ''
  try {
    checkName(text, flag, options)
  } catch (error) {
    if (!(error instanceof SandglassError)) throw error
    throw new UsageError(error.message)
  }
  return text
}

/** Ms. */
export function durationOf(value: unknown, flag: string, { min, max }: Range): number {
  const text = textOf(value, flag) ?? ''
  const ms = parseDuration(text)
  if (ms === undefined) throw new UsageError(`${flag} ${text}: not a duration like 250ms, 10s, 2h or 3d`)
  if (ms < min || ms > max) throw new UsageError(`${flag} ${text}: not from ${min} ms to ${max} ms`)
  return ms
}

/** Ms since 1970 UTC from RFC 3339 or a number of ms. */
export function timeOf(value: unknown, flag: string): number {
  const text = textOf(value, flag) ?? ''
  const ms = /^\d{1,16}$/.test(text) ? Number(text) : rfc3339(text)
  if (!(ms >= 0 && ms <= DUE_MS_MAX)) {
    throw new UsageError(`${flag} ${text}: neither RFC 3339, as in 2030-01-31T08:00:00Z, nor ms since 1970`)
  }
  return ms
}

/** {@link timeOf} of when a message is due: not beyond what a node takes. */
export function dueOf(value: unknown, flag: string, nowMs: number): number {
  const ms = timeOf(value, flag)
  if (ms > nowMs + DELAY_MS_MAX) throw new UsageError(`${flag} ${String(value)}: more than ten years ahead`)
  return ms
}

/** yargs takes any value but `true` for false. */
export function checkSwitches(args: readonly string[]): void {
  for (const arg of args) {
    const [, flag] = /^(--(?:no-)?(?:follow|ack)|-f)=(?!true$|false$)/.exec(arg) ?? []
    if (flag !== undefined) throw new UsageError(`${flag} takes no value`)
  }
}

function rfc3339(text: string): number {
  return RFC_3339.test(text) && isDay(text.slice(0, 10)) ? Date.parse(text) : Number.NaN
}

/** Date.parse takes the 30th of February for the 2nd of March. */
function isDay(text: string): boolean {
  const ms = Date.parse(text)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text)
}

const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/
