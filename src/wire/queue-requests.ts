// Is a produce or consume request within the public limits? Throws INVALID with the field, as in
// `messages[3].body.key`. These run once a frame on the hot path: no closure and no text is made unless one is refused.
import { invalid } from '../base/errors.ts'
import {
  COUNTER_MAX,
  DELAY_MS_MAX,
  DUE_MS_MAX,
  ENTRY_MESSAGES_MAX,
  FRAME_BYTES_MAX,
  NACK_REASON_CHARS_MAX,
  OUTSTANDING_MAX,
} from '../base/limits.ts'
import { inspectBody } from './body.ts'
import { checkName, checkNameOrEmpty, checkPartition, checkStart, isLonger } from './fields.ts'
import type { Ack, Credit, Extend, Nack, NewMessage, ProduceRequest, Sequence, Subscribe } from './messages.ts'

/** Deliveries and credit one request may speak of. */
export const SETTLE_ITEMS_MAX = 10_000
const CREDIT_MAX = OUTSTANDING_MAX
const PRODUCER_ID_BYTES_MAX = 64
const SESSION_BYTES = 16

/** `nowMs`: the server's wall clock, against which delivery times beyond ten years are refused. */
export function checkProduce(request: ProduceRequest<Uint8Array>, nowMs: number): void {
  checkName(request.topic, 'topic', { reserved: true })
  checkPartition(request.partition, 'partition')
  const count = request.messages.length
  if (count < 1 || count > ENTRY_MESSAGES_MAX) {
    throw invalid('messages', `Cannot take ${count} messages: must be from 1 to ${ENTRY_MESSAGES_MAX}`)
  }
  if (request.sequence !== null) checkSequence(request.sequence, count)
  let bytes = 0
  for (const [at, message] of request.messages.entries()) {
    checkMessage(message, at, nowMs)
    bytes += message.body?.length ?? 0
  }
  if (bytes > FRAME_BYTES_MAX) {
    throw invalid('messages', `Cannot take ${bytes} bytes of messages: at most ${FRAME_BYTES_MAX}`)
  }
}

export function checkSubscribe(request: Subscribe): void {
  checkName(request.topic, 'topic', { reserved: true })
  checkPartition(request.partition, 'partition')
  checkNameOrEmpty(request.channel, 'channel')
  checkName(request.group, 'group', { reserved: false })
  checkName(request.consumer, 'consumer', { reserved: false })
  if (request.session.length !== SESSION_BYTES) {
    throw invalid('session', `Cannot take session: must have ${SESSION_BYTES} bytes, not ${request.session.length}`)
  }
  if (request.leaseMs > DELAY_MS_MAX) throw invalid('lease_ms', `Cannot take lease_ms: at most ${DELAY_MS_MAX}`)
  if (request.credit > CREDIT_MAX) throw invalid('credit', `Cannot take credit: at most ${CREDIT_MAX}`)
  checkStart(request.start)
  if (request.holds.length > OUTSTANDING_MAX) throw invalid('holds', `Cannot take holds: at most ${OUTSTANDING_MAX}`)
  if (request.holds.length > 0 && !request.reattach) throw invalid('holds', 'Cannot take holds: only when reattaching')
  for (const [at, { index, fence }] of request.holds.entries()) {
    if (index > COUNTER_MAX) throw tooHigh(`holds[${at}].index`)
    if (fence > COUNTER_MAX) throw tooHigh(`holds[${at}].fence`)
  }
}

export function checkAck(request: Pick<Ack, 'index' | 'fence'>): void {
  checkItems(request)
}

export function checkNack(request: Omit<Nack, 'id'>): void {
  checkItems(request)
  if (request.delayMs > DELAY_MS_MAX) throw invalid('delay_ms', `Cannot take delay_ms: at most ${DELAY_MS_MAX}`)
  if (request.keepPlace && request.delayMs > 0)
    throw invalid('delay_ms', 'Cannot take delay_ms: must be 0 with keep_place')
  if (isLonger(request.reason, NACK_REASON_CHARS_MAX)) {
    throw invalid('reason', `Cannot take reason: at most ${NACK_REASON_CHARS_MAX} characters`)
  }
}

export function checkExtend(request: Omit<Extend, 'id'>): void {
  checkItems(request)
  if (request.leaseMs < 1 || request.leaseMs > DELAY_MS_MAX) {
    throw invalid('lease_ms', `Cannot take lease_ms ${request.leaseMs}: must be from 1 to ${DELAY_MS_MAX}`)
  }
}

export function checkCredit(request: Credit): void {
  if (request.more > CREDIT_MAX) throw invalid('more', `Cannot take credit: at most ${CREDIT_MAX}`)
}

function checkSequence(sequence: Sequence, count: number): void {
  const { producerId, first } = sequence
  if (producerId.length < 1 || producerId.length > PRODUCER_ID_BYTES_MAX) {
    throw invalid('sequence.producer_id', `Cannot take producer_id: must have 1 to ${PRODUCER_ID_BYTES_MAX} bytes`)
  }
  if (first < 1 || !Number.isSafeInteger(first + count))
    throw invalid('sequence.first', 'Cannot take sequence: from 1 on')
}

function checkMessage(message: NewMessage<Uint8Array>, at: number, nowMs: number): void {
  if (message.body !== null) inspectBody(message.body, at)
  if (message.channel !== '') checkName(message.channel, `messages[${at}].channel`, { reserved: false })
  if (message.delayMs !== null && message.delayMs > DELAY_MS_MAX) {
    throw invalid(`messages[${at}].delay_ms`, `Cannot take delay_ms ${message.delayMs}: at most ${DELAY_MS_MAX}`)
  }
  const { deliverAtMs } = message
  if (deliverAtMs !== null && deliverAtMs > Math.min(nowMs + DELAY_MS_MAX, DUE_MS_MAX)) {
    throw invalid(
      `messages[${at}].deliver_at_ms`,
      `Cannot take deliver_at_ms ${deliverAtMs}: more than ten years ahead`,
    )
  }
}

function checkItems(request: { readonly index: readonly number[]; readonly fence: readonly number[] }): void {
  const count = request.index.length
  if (count < 1 || count > SETTLE_ITEMS_MAX) {
    throw invalid('index', `Cannot settle ${count} deliveries at once: must be from 1 to ${SETTLE_ITEMS_MAX}`)
  }
  if (request.fence.length !== count) throw invalid('fence', 'Cannot settle: as many fences as indexes are needed')
  checkCounters(request.index, 'index')
  checkCounters(request.fence, 'fence')
}

function checkCounters(values: readonly number[], field: string): void {
  for (let at = 0; at < values.length; at++) if ((values[at] ?? 0) > COUNTER_MAX) throw tooHigh(`${field}[${at}]`)
}

function tooHigh(field: string): Error {
  return invalid(field, `Cannot take ${field}: at most ${COUNTER_MAX}`)
}
