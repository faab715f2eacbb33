/** Replication's events as log lines: what an operator wants to see at which level. */
import type { ReplicationEvent } from '../../replication/events.ts'
import type { Log } from './log.ts'

type Level = 'debug' | 'info' | 'warn' | 'error'

const LEVELS = {
  role: 'debug',
  damaged: 'error',
  stateDamaged: 'error',
  discarded: 'warn',
  halted: 'error',
  checkpointed: 'debug',
  checkpointFailed: 'error',
  snapshotBegun: 'info',
  snapshotSent: 'info',
  snapshotFailed: 'warn',
  snapshotOutrun: 'warn',
  snapshotInstalled: 'info',
  peerUp: 'info',
  peerDown: 'warn',
  clock: 'warn',
} as const satisfies Record<ReplicationEvent['type'], Level>

export function logReplication(log: Log, event: ReplicationEvent): void {
  const { type, ...own } = event
  // `node` is who says it; a line has each key once.
  const fields = event.type === 'peerUp' || event.type === 'peerDown' ? { peer: event.node } : own
  const error = 'error' in fields && fields.error !== undefined ? { error: String(fields.error) } : {}
  log[LEVELS[type]](
    type.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    { ...fields, ...error },
  )
}
