// Arguments of the library's public functions: what no node would take is refused with INVALID and the argument's name
// before it is queued, so that it harms nothing beside itself. Programs without types pass anything.
import { invalid } from '../base/errors.ts'

/** setTimeout takes no more. */
export const TIMEOUT_MS_MAX = 2 ** 31 - 1

interface Range {
  readonly min: number
  readonly max: number
}

export function checkObject(value: unknown, field: string): void {
  if (typeof value !== 'object' || value === null) throw invalid(field, `Cannot take ${field}: not an object`)
}

export function checkFunction(value: unknown, field: string): void {
  if (typeof value !== 'function') throw invalid(field, `Cannot take ${field}: not a function`)
}

export function checkWhole(value: unknown, field: string, range: Range): void {
  checkWithin(value, field, range)
  if (!Number.isInteger(value)) throw invalid(field, `Cannot take ${field} ${value}: not a whole number`)
}

/** Fractions are taken; NaN and what is no number are not. */
export function checkWithin(value: unknown, field: string, { min, max }: Range): void {
  if (typeof value === 'number' && value >= min && value <= max) return
  throw invalid(field, `Cannot take ${field} ${shown(value)}: must be a number from ${min} to ${max}`)
}

/** The values of others stay theirs: nothing but numbers is repeated in an error. */
function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : `of type ${typeof value}`
}
