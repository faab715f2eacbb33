/** The receiving side of the service `sandglass.v1.Control` on the peer port. */
import { type Server, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import { SandglassError } from '../../base/errors.ts'
import type { NodeId } from '../../base/ids.ts'
import { CATALOG_COMMAND_BYTES_MAX, CATALOG_PARTITIONS_MAX, DUE_MS_MAX, ID_MAX, TERM_MAX } from '../../base/limits.ts'
import { violation } from '../../base/violation.ts'
import { type Admission, admit, note } from '../peer/admission.ts'
import { controlMethods, OUTCOME } from './proto.ts'
import type { ControlHandler, ControlProposeOutcome, ControlReadOutcome } from './types.ts'

export interface ControlServiceOptions extends Admission {
  readonly handler: () => ControlHandler | undefined
}

/** Adds the service to the server of the peer port. */
export function addControlService(server: Server, options: ControlServiceOptions): void {
  server.addService(controlMethods(), {
    Propose: unary(options, async (handler, from, { command }: { command: Uint8Array }) => {
      checkCommand(command)
      return proposeResponse(await handler.propose(from, command))
    }),
    ReadIndex: unary(options, async (handler) => readResponse(await handler.readIndex())),
    Report: unary(options, async (handler, from, report: Report) => {
      checkReport(report)
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
    const peer = admit(call, options)
    const handler = options.handler()
    if ('code' in peer) {
      answer(peer)
      return
    }
    if (handler === undefined) {
      answer({ code: status.UNAVAILABLE, details: 'Cannot take the call: this node does not serve yet' })
      return
    }
    run(handler, peer.from, call.request).then(
      (response) => answer(null, response),
      (error: unknown) => {
        note(error, peer, options)
        const code = error instanceof SandglassError ? error.code : status.INTERNAL
        answer({ code, details: error instanceof Error ? error.message : 'failed' })
      },
    )
  }
}

function checkCommand(command: Uint8Array): void {
  const { byteLength } = command
  if (byteLength > CATALOG_COMMAND_BYTES_MAX) throw violation('command', `it has ${byteLength} bytes`)
}

function checkReport({ leads, wallMs }: Report): void {
  if (leads.length > CATALOG_PARTITIONS_MAX + 1) throw violation('leads', `they are ${leads.length}`)
  for (const { group, term } of leads) {
    if (group < 1 || group > ID_MAX) throw violation('leads.group', `there is no group ${group}`)
    if (term < 1 || term > TERM_MAX) throw violation('leads.term', `nobody leads in term ${term}`)
  }
  if (wallMs > DUE_MS_MAX) throw violation('wall_ms', `no clock shows ${wallMs}`)
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
