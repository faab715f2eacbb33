/**
 * Runs a request at the partition's leader: here, or once passed on. What certainly changed nothing (no connection, no
 * leader there) is tried again until shortly before the deadline; what may have is not.
 */
import type { ServiceError } from '@grpc/grpc-js'
import { SandglassError } from '../base/errors.ts'
import type { NodeInfo } from '../broker/directory.ts'
import type { Partition } from '../broker/partition.ts'
import { answerBy } from '../broker/router.ts'
import { STATUS_DETAILS_KEY } from '../wire/errors.ts'
import type { CallContext, ServiceContext } from './service-context.ts'

export interface Target {
  readonly topic: string
  readonly partition: number
  /** Without an answer the outcome is unknown. */
  readonly mutating: boolean
}

/** Rejects with what `local` or the leader rejected, or NOT_LEADER (if `call` was passed on), NO_QUORUM, TOPIC_NOT_FOUND, INVALID. */
export async function atLeader<R>(
  context: ServiceContext,
  call: CallContext,
  target: Target,
  local: (partition: Partition) => Promise<R>,
): Promise<R | Buffer> {
  const { env, broker } = context
  const until = answerBy(env, call.deadline)
  for (;;) {
    const { router } = broker
    const route =
      router.tryRoute(target.topic, target.partition) ??
      (await router.route(target.topic, target.partition, call.deadline))
    if (route.type === 'remote' && call.forwardedFor !== undefined) throw notLeader(route.node)
    try {
      if (route.type === 'local') return await local(route.partition)
      return await passOn(context, route.node, { ...call, deadline: until }, target)
    } catch (error) {
      if (call.forwardedFor !== undefined || !mayTryAgain(error)) throw error
      if (!(await router.pause(until))) throw outOfTime(error)
    }
  }
}

/** Sends the request as it came to `node`. Rejects UNREACHABLE when it never left, else as the node answered. */
export async function passOn(
  { channels, errors }: ServiceContext,
  node: NodeInfo,
  call: Pick<CallContext, 'path' | 'raw' | 'deadline' | 'onCancel'>,
  { partition, mutating }: Pick<Target, 'partition' | 'mutating'>,
): Promise<Buffer> {
  try {
    return await channels.unary(node, call.path, call.raw, {
      deadline: call.deadline,
      partition,
      onCancel: call.onCancel,
    })
  } catch (error) {
    if (!isServiceError(error)) throw error
    const details = error.metadata.get(STATUS_DETAILS_KEY)[0]
    const status = { code: error.code, message: error.details, details: Buffer.isBuffer(details) ? details : undefined }
    throw errors.fromStatus(status, { mutating })
  }
}

export function notLeader(node: NodeInfo): SandglassError {
  return new SandglassError('NOT_LEADER', `Cannot serve the request here: node ${node.name} leads the partition`, {
    leader: node.grpc,
  })
}

/** The caller asked for an answer by now: no leader took it. */
function outOfTime(cause: unknown): SandglassError {
  return new SandglassError('NO_QUORUM', 'Cannot serve the request: no leader of the partition took it', { cause })
}

function mayTryAgain(error: unknown): boolean {
  return error instanceof SandglassError && (error.reason === 'NOT_LEADER' || error.reason === 'UNREACHABLE')
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'metadata' in error
}
