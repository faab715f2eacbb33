// A message as a user gives it, checked and turned into its wire form once.
import { invalid } from '../base/errors.ts'
import { DELAY_MS_MAX, DUE_MS_MAX, HEADERS_BYTES_MAX, KEY_BYTES_MAX, MESSAGE_BYTES_MAX } from '../base/limits.ts'
import { checkName } from '../wire/fields.ts'
import type { NewMessage } from '../wire/messages.ts'
import type { Init } from '../wire/wire.ts'

/** What `produce` takes. Text is stored as UTF-8. */
export interface Message {
  /** Up to 1 MiB. */
  readonly value: Uint8Array | string
  /** Up to 4 KiB. Without `partition`, decides the partition; an empty key is none. */
  readonly key?: Uint8Array | string | undefined
  /** 0-based. Without it and without a key, messages go round the partitions. */
  readonly partition?: number | undefined
  /** Default: `master`. */
  readonly channel?: string | undefined
  /** Up to 16 KiB in all. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** From the leader's now; up to 10 years. Not together with `deliverAt`. */
  readonly delayMs?: number | undefined
  /** Ms since 1970 UTC, or a Date. Due at once if it has passed. */
  readonly deliverAt?: number | Date | undefined
}

export interface Prepared {
  readonly message: Init<NewMessage>
  /** Empty: none. */
  readonly key: Uint8Array
  /** About what it takes in a frame. */
  readonly bytes: number
}

/** Field numbers, lengths and times around key, value and headers. */
const FRAMING_BYTES = 48

/** Throws INVALID with the field. `value` and `key` are not copied: they must not be changed until the answer. */
export function prepare(message: Message): Prepared {
  const value = bytesOf(message.value, 'value')
  const key = message.key === undefined ? EMPTY : bytesOf(message.key, 'key')
  atMost(value.length, MESSAGE_BYTES_MAX, 'value')
  atMost(key.length, KEY_BYTES_MAX, 'key')
  const headersBytes = message.headers === undefined ? 0 : sizeOfHeaders(message.headers)
  atMost(headersBytes, HEADERS_BYTES_MAX, 'headers')
  if (message.channel !== undefined) checkName(message.channel, 'channel', { reserved: false })
  return {
    message: {
      body: { key, value, headers: message.headers },
      channel: message.channel,
      ...schedule(message),
    },
    key,
    bytes: key.length + value.length + headersBytes + FRAMING_BYTES,
  }
}

function schedule({ delayMs, deliverAt }: Message): Init<NewMessage> {
  if (delayMs !== undefined && deliverAt !== undefined) {
    throw invalid('deliverAt', 'Cannot take deliverAt: delayMs is given as well')
  }
  if (delayMs !== undefined) {
    if (!(delayMs >= 0 && delayMs <= DELAY_MS_MAX))
      throw invalid('delayMs', `Cannot take delayMs ${delayMs}: at most ten years`)
    return { delayMs: Math.ceil(delayMs) }
  }
  if (deliverAt === undefined) return {}
  const at = Number(deliverAt)
  if (!(at >= 0 && at <= DUE_MS_MAX)) throw invalid('deliverAt', 'Cannot take deliverAt: not a time in ms since 1970')
  return { deliverAtMs: Math.ceil(at) }
}

function bytesOf(value: unknown, field: string): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value)
  if (value instanceof Uint8Array) return value
  throw invalid(field, `Cannot take ${field}: neither text nor bytes`)
}

function sizeOfHeaders(headers: Readonly<Record<string, string>>): number {
  let bytes = 0
  for (const [name, value] of Object.entries(headers)) {
    if (name === '' || typeof value !== 'string')
      throw invalid('headers', 'Cannot take headers: names and values are text')
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value)
  }
  return bytes
}

function atMost(bytes: number, max: number, field: string): void {
  if (bytes > max) throw invalid(field, `Cannot take ${field} of ${bytes} bytes: at most ${max}`)
}

const EMPTY = new Uint8Array(0)
