// A message as a user gives it, checked and turned into its wire form once.
import { invalid } from '../base/errors.ts'
import { DELAY_MS_MAX, DUE_MS_MAX, HEADERS_BYTES_MAX, KEY_BYTES_MAX, MESSAGE_BYTES_MAX } from '../base/limits.ts'
import { checkName, checkPartition } from '../wire/fields.ts'
import type { NewMessage } from '../wire/messages.ts'
import type { Init } from '../wire/wire.ts'
import { checkObject, checkWithin } from './checks.ts'

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
  /** What it takes in a frame, or a little more. */
  readonly bytes: number
}

/** Field numbers, lengths and times around key, value and headers; and around each header. */
const FRAMING_BYTES = 48
const HEADER_FRAMING_BYTES = 12

/** Throws INVALID with the field. `value` and `key` are not copied: they must not be changed until the answer. */
export function prepare(message: Message): Prepared {
  checkObject(message, 'message')
  const value = bytesOf(message.value, 'value')
  const key = message.key === undefined ? EMPTY : bytesOf(message.key, 'key')
  atMost(value.length, MESSAGE_BYTES_MAX, 'value')
  atMost(key.length, KEY_BYTES_MAX, 'key')
  const headers = sizeOfHeaders(message.headers ?? NONE)
  atMost(headers.bytes, HEADERS_BYTES_MAX, 'headers')
  if (message.channel !== undefined) checkName(message.channel, 'channel', { reserved: false })
  if (message.partition !== undefined) checkPartition(message.partition, 'partition')
  const names = message.channel?.length ?? 0
  return {
    message: {
      body: { key, value, headers: message.headers },
      channel: message.channel,
      ...schedule(message),
    },
    key,
    bytes: key.length + value.length + headers.bytes + headers.count * HEADER_FRAMING_BYTES + names + FRAMING_BYTES,
  }
}

function schedule({ delayMs, deliverAt }: Message): Init<NewMessage> {
  if (delayMs !== undefined && deliverAt !== undefined) {
    throw invalid('deliverAt', 'Cannot take deliverAt: delayMs is given as well')
  }
  if (delayMs !== undefined) {
    checkWithin(delayMs, 'delayMs', { min: 0, max: DELAY_MS_MAX })
    return { delayMs: Math.ceil(delayMs) }
  }
  if (deliverAt === undefined) return {}
  const at = deliverAt instanceof Date ? deliverAt.getTime() : deliverAt
  checkWithin(at, 'deliverAt', { min: 0, max: DUE_MS_MAX })
  return { deliverAtMs: Math.ceil(at) }
}

function bytesOf(value: unknown, field: string): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value)
  if (value instanceof Uint8Array) return value
  throw invalid(field, `Cannot take ${field}: neither text nor bytes`)
}

function sizeOfHeaders(headers: Readonly<Record<string, string>>): { readonly bytes: number; readonly count: number } {
  checkObject(headers, 'headers')
  let bytes = 0
  let count = 0
  for (const [name, value] of Object.entries(headers)) {
    if (name === '' || typeof value !== 'string')
      throw invalid('headers', 'Cannot take headers: names and values are text')
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value)
    count++
  }
  return { bytes, count }
}

function atMost(bytes: number, max: number, field: string): void {
  if (bytes > max) throw invalid(field, `Cannot take ${field} of ${bytes} bytes: at most ${max}`)
}

const EMPTY = new Uint8Array(0)
const NONE = {}
