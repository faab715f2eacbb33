/**
 * Why a node does not start: exit code 1, a stable reason, the setting at fault and what to do next. Not for what happens
 * once it runs. The table is docs/semantics.md's, "Start errors".
 */
interface StartRow {
  /** The setting at fault unless the error names another; undefined: none. */
  readonly field?: string
  /** What whoever starts the node does next, unless the error knows better. */
  readonly action: string
}

export const START_REASONS = {
  DATA_LOCKED: { field: 'data', action: 'stop the process that has it, or give this node a data folder of its own' },
  DATA_FOREIGN: {
    field: 'data',
    action: 'start with the data folder of this node, or with the addresses of its cluster',
  },
  DATA_NEWER: { field: 'data', action: 'start the version that wrote it, or a later one' },
  DATA_DAMAGED: {
    field: 'data',
    action: 'look at it with `sandglass verify`; the other nodes go on without this one, which must not start as it is',
  },
  DATA_UNUSABLE: { field: 'data', action: 'mend what the message names, or choose another folder' },
  NODE_HAS_HISTORY: {
    field: 'data',
    action: 'start it with the data folder that it had; a node that lost its memory must not vote again',
  },
  CLUSTER_MISMATCH: {
    field: 'initial_cluster',
    action: 'give every node the same list, with each name and address once',
  },
  PORT_IN_USE: { action: 'stop what listens there (ss -ltnp shows it), or choose another port' },
  PORT_FORBIDDEN: { action: 'choose a port from 1024 on, or allow the process to listen below (CAP_NET_BIND_SERVICE)' },
  PORT_UNUSABLE: { action: 'mend what the message names' },
  PROGRAM_UNUSABLE: { action: 'raise the limit of open files (ulimit -n), or install the program anew' },
  ADDRESS_UNKNOWN: { field: 'bind_addr', action: 'mend the name or the resolver, or give an address' },
  ADDRESS_NOT_HERE: {
    field: 'bind_addr',
    action: 'give an address of this machine (ip addr shows them), or 0.0.0.0 or ::',
  },
  ADDRESS_UNSUPPORTED: { field: 'bind_addr', action: 'give an IPv4 address, or switch IPv6 on for this machine' },
  ADDRESS_WILDCARD: {
    field: 'advertise_addr',
    action: 'set advertise_addr to the address by which others reach this node',
  },
} as const satisfies Record<string, StartRow>

export type StartReason = keyof typeof START_REASONS

export interface StartDetails {
  readonly field?: string | undefined
  readonly action?: string | undefined
  readonly cause?: unknown
}

export class StartError extends Error {
  override readonly name = 'StartError'
  readonly reason: StartReason
  readonly field: string | undefined
  readonly action: string

  constructor(reason: StartReason, message: string, details: StartDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    const row: StartRow = START_REASONS[reason]
    this.reason = reason
    this.field = details.field ?? row.field
    this.action = details.action ?? row.action
  }
}
