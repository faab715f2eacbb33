// SandglassError to and from a gRPC status: the reason travels as google.rpc.ErrorInfo in the trailer
// `grpc-status-details-bin`, or as ErrorMessage inside a stream. A status that is not ours (a broken connection, a
// deadline of grpc itself) becomes the reason that fits, with the outcome the caller's request allows.
import { ERROR_TABLE, type ErrorReason, SandglassError } from '../base/errors.ts'
import { RECEIVE_BYTES_MAX } from '../base/limits.ts'
import type { ErrorMessage, RpcErrorInfo } from './messages.ts'
import type { Init, Wire } from './wire.ts'

export const STATUS_DETAILS_KEY = 'grpc-status-details-bin'

interface WireStatus {
  /** gRPC status code. */
  readonly code: number
  readonly message: string
  /** An encoded google.rpc.Status; absent on statuses that grpc itself made. */
  readonly details: Buffer | undefined
}

export interface ErrorCodec {
  /** The status to end a call with. What is not a SandglassError is INTERNAL, and its text stays here. */
  toStatus(error: unknown): Required<WireStatus> & { readonly details: Buffer }
  /** The form of an error inside a stream, likewise. */
  toMessage(error: unknown): Init<ErrorMessage>
  /** `mutating`: the request may change something, so that without an answer its outcome is unknown. */
  fromStatus(status: WireStatus, options: { readonly mutating: boolean }): SandglassError
}

/** `onInternal` hears of every error that is told as INTERNAL, with what is not told. */
export function createErrorCodec<B>(wire: Wire<B>, onInternal: (error: unknown) => void = () => undefined): ErrorCodec {
  const statusCodec = wire.codec('RpcStatus')
  const infoCodec = wire.codec('RpcErrorInfo')

  function readInfo(bytes: Buffer): RpcErrorInfo | undefined {
    try {
      const found = statusCodec.decode(bytes).details.filter((d) => d.type_url === INFO_TYPE)
      return found.map((d) => infoCodec.decode(d.value)).find((info) => info.domain === DOMAIN)
    } catch {
      // A trailer that does not decode says nothing; code and message of the status still do.
      return undefined
    }
  }

  function toMessage(error: unknown): ReturnType<typeof toErrorMessage> {
    const message = toErrorMessage(error)
    if (message.reason === 'INTERNAL') onInternal(error)
    return message
  }

  return {
    toMessage,
    toStatus(error) {
      const { reason, message, field, leader } = toMessage(error)
      const code = ERROR_TABLE[reason].code
      const metadata = { ...(field && { field }), ...(leader && { leader }) }
      const value = infoCodec.encode({ reason, domain: DOMAIN, metadata })
      return {
        code,
        message,
        details: statusCodec.encode({ code, message, details: [{ type_url: INFO_TYPE, value }] }),
      }
    },
    fromStatus(status, { mutating }) {
      const info = status.details && readInfo(status.details)
      if (info === undefined) return foreign(status, mutating)
      const { field = '', leader = '' } = info.metadata
      return fromErrorMessage({ reason: info.reason, message: status.message, field, leader }, status.code)
    },
  }
}

/** The form of an error inside a stream. What is not a SandglassError is INTERNAL, and its text stays here. */
export function toErrorMessage(error: unknown): Init<ErrorMessage> & { readonly reason: ErrorReason; message: string } {
  if (!(error instanceof SandglassError)) return { reason: 'INTERNAL', message: 'Cannot answer: internal error' }
  const { reason, message, field, leader } = error
  return { reason, message, field: field ?? '', leader: leader ?? '' }
}

/** Back again. A reason this version does not know becomes the closest known one of the same gRPC `code`. */
export function fromErrorMessage(message: ErrorMessage, code = INTERNAL): SandglassError {
  const details = {
    ...(message.field !== '' && { field: message.field }),
    ...(message.leader !== '' && { leader: message.leader }),
  }
  if (isReason(message.reason)) return new SandglassError(message.reason, message.message, details)
  return new SandglassError(closest(code), `${message.message} (${message.reason})`, details)
}

const DOMAIN = 'sandglass'
const INFO_TYPE = 'type.googleapis.com/google.rpc.ErrorInfo'
const CANCELLED = 1
const DEADLINE_EXCEEDED = 4
const RESOURCE_EXHAUSTED = 8
const INTERNAL = 13
const UNAVAILABLE = 14
/** grpc-js says so when the call never left: nothing was stored. */
const NEVER_SENT = /^(No connection established|Name resolution failed|Call cancelled before)/
/** A node says so with its own limit when it did not read the request; with another limit it may have been the answer. */
const NOT_READ = new RegExp(`^Received message larger than max \\(\\d+ vs ${RECEIVE_BYTES_MAX}\\)$`)
const TOO_LARGE = /larger than max/

/** A connection that broke under a call may come as INTERNAL. */
const BROKEN_STREAM = /RST_STREAM|ECONNRESET|EPIPE/
/** Exhausted may be whoever passed the request on, or the way of the answer back. */
const UNANSWERED: readonly number[] = [UNAVAILABLE, CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED]

function isReason(text: string): text is ErrorReason {
  return Object.hasOwn(ERROR_TABLE, text)
}

/** Only reasons whose outcome claims no more than an unknown reason allows. */
function closest(code: number): ErrorReason {
  const row = Object.entries(ERROR_TABLE).find(
    ([, r]) => r.code === code && r.outcome === 'refused' && r.retry === 'never',
  )
  return row !== undefined && isReason(row[0]) ? row[0] : 'INTERNAL'
}

function foreign(status: WireStatus, mutating: boolean): SandglassError {
  const text = `Cannot complete the call: ${status.message}`
  const broken = status.code === INTERNAL && BROKEN_STREAM.test(status.message)
  const unanswered = broken || UNANSWERED.includes(status.code)
  const untouched = NEVER_SENT.test(status.message) || NOT_READ.test(status.message)
  if (unanswered && mutating && !untouched) return new SandglassError('COMMIT_UNKNOWN', text)
  if (status.code === DEADLINE_EXCEEDED) return new SandglassError('DEADLINE', text)
  if (status.code === RESOURCE_EXHAUSTED) {
    return new SandglassError(TOO_LARGE.test(status.message) ? 'INVALID' : 'OVERLOADED', text)
  }
  if (unanswered) return new SandglassError('UNREACHABLE', text)
  return new SandglassError(closest(status.code), text)
}
