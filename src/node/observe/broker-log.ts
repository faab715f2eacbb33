/** The broker's events as log lines. */
import type { BrokerEvent } from '../../broker/config.ts'
import type { Log } from './log.ts'

const ROWS = {
  leaderGained: { level: 'debug', event: 'leader_gained' },
  leaderLost: { level: 'debug', event: 'leader_lost' },
  readFailed: { level: 'error', event: 'read_failed' },
  early: { level: 'error', event: 'delivered_early' },
} as const satisfies Record<BrokerEvent['type'], { level: keyof Log; event: string }>

export function logBroker(log: Log, event: BrokerEvent): void {
  const { type, ...fields } = event
  const error = 'error' in fields ? { error: String(fields.error) } : {}
  log[ROWS[type].level](ROWS[type].event, { ...fields, ...error })
}
