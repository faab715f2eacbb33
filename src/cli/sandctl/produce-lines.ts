// The lines of `sandctl produce --file`: {"value", "key"?, "delayMs"? | "at"?, "channel"?, "headers"?}.
import { invalid } from '../../base/errors.ts'
import type { Message } from '../../client/message.ts'
import { timeOf } from './values.ts'

const FIELDS: ReadonlySet<string> = new Set(['value', 'key', 'delayMs', 'at', 'channel', 'headers'])

/** `defaults`: what the flags say for lines that do not. Throws INVALID with the line's number. */
export function messageOf(line: string, number: number, defaults: Omit<Message, 'value'>): Message {
  const record = parse(line, number)
  for (const name of Object.keys(record)) {
    if (!FIELDS.has(name)) throw invalid(name, `Cannot produce line ${number}: ${name} is not known`)
  }
  const { value, key, delayMs, at, channel, headers } = record
  if (value === undefined) throw invalid('value', `Cannot produce line ${number}: it has no value`)
  if (delayMs !== undefined && typeof delayMs !== 'number') throw wrong('delayMs', number)
  const schedule = delayMs === undefined && at === undefined ? {} : { delayMs, deliverAt: timeIn(at, number) }
  const { delayMs: _delay, deliverAt: _at, ...rest } = defaults
  return {
    ...(delayMs === undefined && at === undefined ? defaults : rest),
    ...schedule,
    value: typeof value === 'string' ? value : JSON.stringify(value),
    ...(key !== undefined && { key: textIn(key, 'key', number) }),
    ...(channel !== undefined && { channel: textIn(channel, 'channel', number) }),
    ...(headers !== undefined && { headers: headersIn(headers, number) }),
  }
}

function parse(line: string, number: number): Readonly<Record<string, unknown>> {
  let record: unknown
  try {
    record = JSON.parse(line)
  } catch {
    throw invalid('file', `Cannot produce line ${number}: it is not JSON`)
  }
  if (!isRecord(record)) throw invalid('file', `Cannot produce line ${number}: it is not a JSON object`)
  return record
}

function timeIn(at: unknown, number: number): number | undefined {
  if (at === undefined || typeof at === 'number') return at
  if (typeof at !== 'string') throw wrong('at', number)
  try {
    return timeOf(at, 'at')
  } catch {
    throw wrong('at', number)
  }
}

function textIn(value: unknown, field: string, number: number): string {
  if (typeof value !== 'string') throw wrong(field, number)
  return value
}

function headersIn(value: unknown, number: number): Record<string, string> {
  if (!isRecord(value)) throw wrong('headers', number)
  return Object.fromEntries(Object.entries(value).map(([name, text]) => [name, textIn(text, 'headers', number)]))
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function wrong(field: string, number: number): Error {
  return invalid(field, `Cannot produce line ${number}: ${field} is of the wrong type`)
}
