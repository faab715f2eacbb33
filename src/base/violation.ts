/** What no honest node says: the connection that it came over is closed, and nothing of it was acted upon. */
import { invalid, SandglassError } from './errors.ts'

/** `field` of the message cannot be what it is; `state` says why. */
export function violation(field: string, state: string): SandglassError {
  return invalid(field, `Cannot take a message: ${state}`)
}

/** Whether an error says so: a refusal for good reason names no field. */
export function isViolation(error: unknown): error is SandglassError & { readonly field: string } {
  return error instanceof SandglassError && error.reason === 'INVALID' && error.field !== undefined
}
