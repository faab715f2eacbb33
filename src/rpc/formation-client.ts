/** The sending side of the service `sandglass.v1.Formation`. */
import { SandglassError } from '../base/errors.ts'
import type { FormationTransport } from './formation-types.ts'

export function createFormationTransport(): FormationTransport {
  throw new SandglassError('UNSUPPORTED', 'Cannot form a cluster: not built yet')
}
