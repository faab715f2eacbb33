/**
 * Expected failures: one class, one table. `reason` is stable and travels in google.rpc.ErrorInfo; `code` is the gRPC
 * status; `outcome` tells whether the request may have taken effect; `retry` is what a client does next. The text is
 * `Cannot <action>: <state>`. Broken invariants are not here (assert.ts).
 */
export type Outcome = 'refused' | 'unknown'
/** leader: ask the hinted leader. other: any other node. same: this node, later. sequence: only under a producer sequence. never. */
export type Retry = 'leader' | 'other' | 'same' | 'sequence' | 'never'

export interface ErrorRow {
  /** gRPC status code. */
  readonly code: number
  readonly outcome: Outcome
  readonly retry: Retry
}

const INVALID_ARGUMENT = 3
const DEADLINE_EXCEEDED = 4
const NOT_FOUND = 5
const ALREADY_EXISTS = 6
const RESOURCE_EXHAUSTED = 8
const FAILED_PRECONDITION = 9
const ABORTED = 10
const UNIMPLEMENTED = 12
const INTERNAL = 13
const UNAVAILABLE = 14

export const ERROR_TABLE = {
  NOT_LEADER: { code: FAILED_PRECONDITION, outcome: 'refused', retry: 'leader' },
  NO_QUORUM: { code: UNAVAILABLE, outcome: 'refused', retry: 'other' },
  SHUTTING_DOWN: { code: UNAVAILABLE, outcome: 'refused', retry: 'other' },
  UNREACHABLE: { code: UNAVAILABLE, outcome: 'refused', retry: 'other' },
  DEADLINE: { code: DEADLINE_EXCEEDED, outcome: 'refused', retry: 'never' },
  COMMIT_UNKNOWN: { code: UNAVAILABLE, outcome: 'unknown', retry: 'sequence' },
  LEASE_LOST: { code: ABORTED, outcome: 'refused', retry: 'never' },
  OUT_OF_SEQUENCE: { code: ABORTED, outcome: 'refused', retry: 'sequence' },
  DUPLICATE: { code: ALREADY_EXISTS, outcome: 'refused', retry: 'never' },
  OVERLOADED: { code: RESOURCE_EXHAUSTED, outcome: 'refused', retry: 'same' },
  DISK_FULL: { code: RESOURCE_EXHAUSTED, outcome: 'refused', retry: 'other' },
  TOPIC_NOT_FOUND: { code: NOT_FOUND, outcome: 'refused', retry: 'never' },
  GROUP_NOT_FOUND: { code: NOT_FOUND, outcome: 'refused', retry: 'never' },
  MESSAGE_NOT_FOUND: { code: NOT_FOUND, outcome: 'refused', retry: 'never' },
  TOPIC_EXISTS: { code: ALREADY_EXISTS, outcome: 'refused', retry: 'never' },
  NOT_ENOUGH_NODES: { code: FAILED_PRECONDITION, outcome: 'refused', retry: 'never' },
  SESSION_REPLACED: { code: ABORTED, outcome: 'refused', retry: 'never' },
  INVALID: { code: INVALID_ARGUMENT, outcome: 'refused', retry: 'never' },
  UNSUPPORTED: { code: UNIMPLEMENTED, outcome: 'refused', retry: 'never' },
  INTERNAL: { code: INTERNAL, outcome: 'unknown', retry: 'never' },
} as const satisfies Record<string, ErrorRow>

export type ErrorReason = keyof typeof ERROR_TABLE

export interface ErrorDetails {
  /** The request field at fault, for INVALID. */
  readonly field?: string
  /** gRPC address of the leader, for NOT_LEADER when known. */
  readonly leader?: string
  readonly cause?: unknown
}

export class SandglassError extends Error {
  override readonly name = 'SandglassError'
  readonly reason: ErrorReason
  readonly code: number
  readonly outcome: Outcome
  readonly field: string | undefined
  readonly leader: string | undefined

  constructor(reason: ErrorReason, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.reason = reason
    this.code = ERROR_TABLE[reason].code
    this.outcome = ERROR_TABLE[reason].outcome
    this.field = details.field
    this.leader = details.leader
  }
}

/** Bad input: names the field, stores nothing. */
export function invalid(field: string, message: string): SandglassError {
  return new SandglassError('INVALID', message, { field })
}
