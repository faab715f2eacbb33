/** What no honest node says: the connection that it came over is closed, and nothing of it was acted upon. */
import { invalid, type SandglassError } from '../../base/errors.ts'

/** `field` of the message cannot be what it is; `state` says why. */
export function violation(field: string, state: string): SandglassError {
  return invalid(field, `Cannot take a message: ${state}`)
}
