/** Logs: pino, JSON on stderr, one line an event. Never a payload, key or header; names, numbers and reasons only. */
import { pino } from 'pino'
import type { LogLevel } from '../config/schema.ts'

export interface Log {
  debug(event: string, fields?: Readonly<Record<string, unknown>>): void
  info(event: string, fields?: Readonly<Record<string, unknown>>): void
  warn(event: string, fields?: Readonly<Record<string, unknown>>): void
  error(event: string, fields?: Readonly<Record<string, unknown>>): void
}

/** Synchronous writes: what a node said before it died is there. The volume is events, not requests. */
export function createLog(level: LogLevel, node: string): Log {
  const out = pino(
    { level, base: { node }, messageKey: 'event', timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  )
  return {
    debug: (event, fields = {}) => out.debug(fields, event),
    info: (event, fields = {}) => out.info(fields, event),
    warn: (event, fields = {}) => out.warn(fields, event),
    error: (event, fields = {}) => out.error(fields, event),
  }
}
