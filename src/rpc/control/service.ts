/** The receiving side of the service `sandglass.v1.Control` on the peer port. */
import { type Server, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import type { NodeId } from '../../base/ids.ts'
import { checkHandshake } from '../peer/wire.ts'
import { controlMethods, OUTCOME } from './proto.ts'
import type { ControlHandler, ControlProposeOutcome, ControlReadOutcome } from './types.ts'

export interface ControlServiceOptions {
  /** Read on every call: the port opens before the cluster is formed. undefined: everybody is refused. */
  readonly clusterId: () => string | undefined
  readonly node: () => NodeId | undefined
  readonly handler: () => ControlHandler | undefined
}

/** Adds the service to the server of the peer port. */
export function addControlService(server: Server, options: ControlServiceOptions): void {
  server.addService(controlMethods(), {
    Propose: unary(options, async (handler, _from, { command }: { command: Uint8Array }) =>
      proposeResponse(await handler.propose(command)),
    ),
    ReadIndex: unary(options, async (handler) => readResponse(await handler.readIndex())),
    Report: unary(options, async (handler, from, report: Report) => {
      handler.report({ node: from, ...report })
      return {}
    }),
  })
}

interface Report {
  readonly leads: readonly { readonly group: number; readonly term: number }[]
  readonly accepts: boolean
  readonly wallMs: number
}

type Run<Q, A> = (handler: ControlHandler, from: NodeId, request: Q) => Promise<A>

/** Runs a call of a peer that means this node; all others are refused. */
function unary<Q, A>(options: ControlServiceOptions, run: Run<Q, A>) {
  return (call: ServerUnaryCall<Q, A>, answer: sendUnaryData<A>): void => {
    const clusterId = options.clusterId()
    const node = options.node()
    const handler = options.handler()
    if (clusterId === undefined || node === undefined || handler === undefined) {
      answer({ code: status.UNAVAILABLE, details: 'Cannot take the call: this node has no cluster yet' })
      return
    }
    const peer = checkHandshake(call.metadata, { clusterId, node })
    if ('refused' in peer) {
      answer({ code: status.FAILED_PRECONDITION, details: `Cannot take the call: ${peer.refused}` })
      return
    }
    run(handler, peer.from, call.request).then(
      (response) => answer(null, response),
      (error: unknown) => answer({ code: status.INTERNAL, details: error instanceof Error ? error.message : 'failed' }),
    )
  }
}

function proposeResponse(outcome: ControlProposeOutcome) {
  const none = { index: 0, reply: new Uint8Array(0), leader: 0 }
  switch (outcome.type) {
    case 'applied':
      return { ...none, outcome: OUTCOME.DONE, index: outcome.index, reply: outcome.reply }
    case 'refused':
      return { ...none, outcome: OUTCOME.REFUSED, leader: outcome.leader }
    case 'unknown':
      return { ...none, outcome: OUTCOME.UNKNOWN }
  }
}

function readResponse(outcome: ControlReadOutcome) {
  return outcome.type === 'ok'
    ? { outcome: OUTCOME.DONE, index: outcome.index, leader: 0 }
    : { outcome: OUTCOME.REFUSED, index: 0, leader: outcome.leader }
}
