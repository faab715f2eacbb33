/** The broker's events as log lines. */
import type { BrokerEvent } from '../../broker/config.ts'
import type { Log } from './log.ts'
import type { RareLines } from './rare-lines.ts'

const ROWS = {
  leaderGained: { level: 'debug', event: 'leader_gained' },
  leaderLost: { level: 'debug', event: 'leader_lost' },
  early: { level: 'error', event: 'delivered_early' },
} as const satisfies Record<Exclude<BrokerEvent['type'], 'readFailed'>, { level: keyof Log; event: string }>

export function logBroker(log: Log, lines: RareLines, event: BrokerEvent): void {
  if (event.type === 'readFailed') {
    // What cannot be read is tried again for as long as somebody waits for it.
    const { topic, partition, error } = event
    lines.error('read_failed', `${topic} ${partition}`, { topic, partition, error: String(error) })
    return
  }
  const { type, ...fields } = event
  log[ROWS[type].level](ROWS[type].event, fields)
}
