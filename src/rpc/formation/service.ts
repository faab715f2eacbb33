/** The receiving side of the service `sandglass.v1.Formation` on the peer port. */
import { type Server, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import { formationMethods } from '../control/proto.ts'
import type { PeerConnections } from '../peer/connections.ts'
import { fromWire, toWire, type WireHello } from './hello.ts'
import type { FormationHandler } from './types.ts'

/** Adds the service; it answers before, during and after the formation, once there is a handler. */
export function addFormationService(
  server: Server,
  connections: Pick<PeerConnections, 'asked'>,
  handlerNow: () => FormationHandler | undefined,
): void {
  server.addService(formationMethods(), {
    Exchange: (call: ServerUnaryCall<WireHello, WireHello>, answer: sendUnaryData<WireHello>) => {
      connections.asked(call.getPeer())
      const handler = handlerNow()
      if (handler === undefined) {
        answer({ code: status.UNAVAILABLE, details: 'Cannot form a cluster: this node is not that far yet' })
        return
      }
      const hello = fromWire(call.request)
      if (hello === undefined) {
        answer({ code: status.INVALID_ARGUMENT, details: 'Cannot form a cluster: unknown state' })
        return
      }
      handler.answer(hello).then(
        (said) => answer(null, toWire(said)),
        (error: unknown) => answer({ code: status.INTERNAL, details: String(error) }),
      )
    },
  })
}
